typedef int I;
typedef unsigned int U;
static __device__ __forceinline__ float from_half(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
static __device__ __forceinline__ unsigned short to_half(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
template <class T, int N> struct __align__(sizeof(T) * N) Pack { T of[N]; };

extern "C" __global__ void __launch_bounds__(256)
elements_tanh(const unsigned short *p0, unsigned short *p1, long long N0) {
    const I n0 = (I)N0;
    const I total = n0;
    const I threads = (I)gridDim.x * (I)blockDim.x;
    const I own = (I)blockIdx.x * (I)blockDim.x + (I)threadIdx.x;
    I done = 0;
    if ((unsigned long long)p0 % 16 == 0 && (unsigned long long)p1 % 16 == 0) {
        done = total / 8 * 8;
        for (I u = own; u < done / 8; u += threads) {
            const I i0 = u * 8;
             {
                const Pack<unsigned short, 8> x0 = *(const Pack<unsigned short, 8> *)(p0 + i0);
                Pack<unsigned short, 8> y1;
                #pragma unroll
                for (int k = 0; k < 8; ++k) {
                    const float v0_0 = from_half(x0.of[k]);
                    const float v0_1 = tanhf(v0_0);
                    y1.of[k] = to_half(v0_1);
                }
                *(Pack<unsigned short, 8> *)(p1 + i0) = y1;
            }
        }
    }
    for (I u = done + own; u < total; u += threads) {
        const I i0 = u;
        const float v0_0 = from_half(p0[i0]);
        const float v0_1 = tanhf(v0_0);
        p1[i0] = to_half(v0_1);
    }
}
