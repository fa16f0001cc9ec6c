typedef int I;
typedef unsigned int U;
template <class T, int N> struct __align__(sizeof(T) * N) Pack { T of[N]; };

extern "C" __global__ void __launch_bounds__(1024)
rows_mul_sum(const float *p0, float *p1, long long N0, long long N1, long long S0_0) {
    const I n0 = (I)N0;
    const I n1 = (I)N1;
    const I s0_0 = (I)S0_0;
    const I rows = n0;
    const I length = n1;
    const int lane = (int)threadIdx.x;
    for (I row = (I)blockIdx.x; row < rows; row += (I)gridDim.x) {
        const I i0 = row;
        const float *const q0 = p0 + (i0 * s0_0);
        float *const q1 = p1 + (i0);
        const bool aligned = (unsigned long long)q0 % 16 == 0;
        float a0_0[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (I t = lane; t < (length + 3) / 4; t += 1024) {
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
                    const float v0_1 = (v0_0 * v0_0);
                    if (full || j + k < length) a0_0[k] = (float)(a0_0[k] + v0_1);
                }
            }
        }
        a0_0[0] = (float)(a0_0[0] + a0_0[2]);
        a0_0[1] = (float)(a0_0[1] + a0_0[3]);
        a0_0[0] = (float)(a0_0[0] + a0_0[1]);
        float t0_0 = a0_0[0];
        #pragma unroll
        for (int apart = 16; apart; apart >>= 1) {
            const float other = (float)__shfl_xor_sync(0xffffffffu, (float)t0_0, apart);
            t0_0 = (float)(t0_0 + other);
        }
        __shared__ float m0_0[32];
        if (lane % 32 == 0) m0_0[lane / 32] = t0_0;
        __syncthreads();
        t0_0 = m0_0[0];
        #pragma unroll
        for (int k = 1; k < 32; ++k) t0_0 = (float)(t0_0 + m0_0[k]);
        __syncthreads();
        const float r0_0 = t0_0;
        __syncthreads();
        if (lane == 0) {
            *q1 = r0_0;
        }
    }
}
