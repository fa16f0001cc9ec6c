typedef int I;
typedef unsigned int U;

extern "C" __global__ void __launch_bounds__(512)
columns_sum(const float *p0, float *p1, long long N0, long long N1, long long S0_0) {
    const I n0 = (I)N0;
    const I n1 = (I)N1;
    const I s0_0 = (I)S0_0;
    const I length = n0;
    const I chunks = (n1 + 7) / 8;
    const I units = chunks;
    const int column = (int)threadIdx.x % 8, part = (int)threadIdx.x / 8;
    __shared__ float m0[64][8];
    for (I unit = (I)blockIdx.x; unit < units; unit += (I)gridDim.x) {
        const I i1 = (I)((U)unit % (U)chunks) * 8 + column;
        float a0_0[1] = {0.0f};
        if (i1 < n1) {
            #pragma unroll 4
            for (I t = part; t < length; t += 64) {
                const I i0 = t;
                const float v0 = p0[i0 * s0_0 + i1];
                a0_0[0] = (float)(a0_0[0] + v0);
            }
        }
        m0[part][column] = a0_0[0];
        __syncthreads();
        for (int apart = 32; apart; apart >>= 1) {
            if (part < apart) {
                m0[part][column] = (float)(m0[part][column] + m0[part + apart][column]);
            }
            __syncthreads();
        }
        if (part == 0 && i1 < n1) {
            const float r0_0 = m0[0][column];
            p1[i1] = r0_0;
        }
        __syncthreads();
    }
}
