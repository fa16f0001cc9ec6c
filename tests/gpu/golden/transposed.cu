typedef int I;
typedef unsigned int U;

extern "C" __global__ void __launch_bounds__(256)
elements_add(const float *p0, const float *p1, float *p2, long long N0, long long N1, long long S0_1, long long S1_0, long long S2_0) {
    const I n0 = (I)N0;
    const I n1 = (I)N1;
    const I s0_1 = (I)S0_1;
    const I s1_0 = (I)S1_0;
    const I s2_0 = (I)S2_0;
    const I total = n0 * n1;
    const I threads = (I)gridDim.x * (I)blockDim.x;
    const I own = (I)blockIdx.x * (I)blockDim.x + (I)threadIdx.x;
    for (I u = own; u < total; u += threads) {
        const I i1 = (I)((U)(u) % (U)n1);
        const I l0 = (I)((U)(u) / (U)n1);
        const I i0 = l0;
        const float v0_0 = p0[i0 + i1 * s0_1];
        const float v0_1 = p1[i0 * s1_0 + i1];
        const float v0_2 = (v0_0 + v0_1);
        p2[i0 * s2_0 + i1] = v0_2;
    }
}
