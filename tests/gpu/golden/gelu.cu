typedef int I;
typedef unsigned int U;
template <class T, int N> struct __align__(sizeof(T) * N) Pack { T of[N]; };

extern "C" __global__ void __launch_bounds__(256)
elements_mul_mul_erf_add_mul(const float *p0, float *p1, long long N0) {
    const I n0 = (I)N0;
    const I total = n0;
    const I threads = (I)gridDim.x * (I)blockDim.x;
    const I own = (I)blockIdx.x * (I)blockDim.x + (I)threadIdx.x;
    I done = 0;
    if ((unsigned long long)p0 % 16 == 0 && (unsigned long long)p1 % 16 == 0) {
        done = total / 4 * 4;
        for (I u = own; u < done / 4; u += threads) {
            const I i0 = u * 4;
             {
                const Pack<float, 4> x0 = *(const Pack<float, 4> *)(p0 + i0);
                Pack<float, 4> y1;
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float v0_0 = x0.of[k];
                    const float v0_2 = (v0_0 * 0.5f);
                    const float v0_4 = (v0_0 * 0.70710677f);
                    const float v0_5 = erff(v0_4);
                    const float v0_7 = (v0_5 + 1.0f);
                    const float v0_8 = (v0_2 * v0_7);
                    y1.of[k] = v0_8;
                }
                *(Pack<float, 4> *)(p1 + i0) = y1;
            }
        }
    }
    for (I u = done + own; u < total; u += threads) {
        const I i0 = u;
        const float v0_0 = p0[i0];
        const float v0_2 = (v0_0 * 0.5f);
        const float v0_4 = (v0_0 * 0.70710677f);
        const float v0_5 = erff(v0_4);
        const float v0_7 = (v0_5 + 1.0f);
        const float v0_8 = (v0_2 * v0_7);
        p1[i0] = v0_8;
    }
}
