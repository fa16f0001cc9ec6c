typedef int I;
typedef unsigned int U;
template <class T> static __device__ __forceinline__ T larger(T x, T y) {
    return (x > y || x != x) ? x : y;
}
template <class T, int N> struct __align__(sizeof(T) * N) Pack { T of[N]; };

extern "C" __global__ void __launch_bounds__(256)
rows_max_sub_exp_sum_div(const float *p0, float *p1, float *p2, long long N0, long long N1, long long S0_0, long long S1_0, long long S2_0) {
    const I n0 = (I)N0;
    const I n1 = (I)N1;
    const I s0_0 = (I)S0_0;
    const I s1_0 = (I)S1_0;
    const I s2_0 = (I)S2_0;
    const I rows = n0;
    const I length = n1;
    const int lane = (int)threadIdx.x % 32;
    for (I row = (I)blockIdx.x * 8 + (I)threadIdx.x / 32; row < rows; row += (I)gridDim.x * 8) {
        const I i0 = row;
        const float *const q0 = p0 + (i0 * s0_0);
        float *const q1 = p1 + (i0 * s1_0);
        float *const q2 = p2 + (i0 * s2_0);
        const bool aligned = (unsigned long long)q0 % 16 == 0 && (unsigned long long)q1 % 16 == 0 && (unsigned long long)q2 % 16 == 0;
        float a0_0[4] = {-__int_as_float(0x7f800000), -__int_as_float(0x7f800000), -__int_as_float(0x7f800000), -__int_as_float(0x7f800000)};
        for (I t = lane; t < (length + 3) / 4; t += 32) {
            const I j = t * 4;
            const I i1 = j;
            const bool full = aligned && j + 4 <= length;
             {
                Pack<float, 4> x0;
                if (full) {
                    x0 = *(const Pack<float, 4> *)(q0 + j);
                } else {
                    #pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        x0.of[k] = j + k < length ? (q0 + j)[k] : 0;
                    }
                }
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float v0_0 = x0.of[k];
                    if (full || j + k < length) a0_0[k] = (float)larger(v0_0, a0_0[k]);
                }
            }
        }
        a0_0[0] = (float)larger(a0_0[2], a0_0[0]);
        a0_0[1] = (float)larger(a0_0[3], a0_0[1]);
        a0_0[0] = (float)larger(a0_0[1], a0_0[0]);
        float t0_0 = a0_0[0];
        #pragma unroll
        for (int apart = 16; apart; apart >>= 1) {
            const float other = (float)__shfl_xor_sync(0xffffffffu, (float)t0_0, apart);
            t0_0 = (float)larger(other, t0_0);
        }
        const float r0_0 = t0_0;
        float a1_0[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (I t = lane; t < (length + 3) / 4; t += 32) {
            const I j = t * 4;
            const I i1 = j;
            const bool full = aligned && j + 4 <= length;
             {
                Pack<float, 4> x0;
                if (full) {
                    x0 = *(const Pack<float, 4> *)(q0 + j);
                } else {
                    #pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        x0.of[k] = j + k < length ? (q0 + j)[k] : 0;
                    }
                }
                Pack<float, 4> y1;
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float v1_0 = x0.of[k];
                    const float v1_2 = (v1_0 - r0_0);
                    const float v1_3 = expf(v1_2);
                    y1.of[k] = v1_3;
                    if (full || j + k < length) a1_0[k] = (float)(a1_0[k] + v1_3);
                }
                if (full) {
                    *(Pack<float, 4> *)(q1 + j) = y1;
                } else {
                    #pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        if (j + k < length) (q1 + j)[k] = y1.of[k];
                    }
                }
            }
        }
        a1_0[0] = (float)(a1_0[0] + a1_0[2]);
        a1_0[1] = (float)(a1_0[1] + a1_0[3]);
        a1_0[0] = (float)(a1_0[0] + a1_0[1]);
        float t1_0 = a1_0[0];
        #pragma unroll
        for (int apart = 16; apart; apart >>= 1) {
            const float other = (float)__shfl_xor_sync(0xffffffffu, (float)t1_0, apart);
            t1_0 = (float)(t1_0 + other);
        }
        const float r1_0 = t1_0;
        for (I t = lane; t < (length + 3) / 4; t += 32) {
            const I j = t * 4;
            const I i1 = j;
            const bool full = aligned && j + 4 <= length;
             {
                Pack<float, 4> x1;
                if (full) {
                    x1 = *(const Pack<float, 4> *)(q1 + j);
                } else {
                    #pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        x1.of[k] = j + k < length ? (q1 + j)[k] : 0;
                    }
                }
                Pack<float, 4> y2;
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float v2_0 = x1.of[k];
                    const float v2_2 = (v2_0 / r1_0);
                    y2.of[k] = v2_2;
                }
                if (full) {
                    *(Pack<float, 4> *)(q2 + j) = y2;
                } else {
                    #pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        if (j + k < length) (q2 + j)[k] = y2.of[k];
                    }
                }
            }
        }
    }
}
