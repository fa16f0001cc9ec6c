enum { N = 8, G = 1, C = 16, F = 32, I0 = 1, I1 = 14, I2 = 14, K0 = 1, K1 = 3, K2 = 3, O0 = 1, O1 = 14, O2 = 14, S0 = 1, S1 = 1, S2 = 1, D0 = 1, D1 = 1, D2 = 1, P0 = 0, P1 = 1, P2 = 1, taps = 9, points = 196, plane = 196, M = 1568, Nn = 32, length = 144, parts = 1, tiles_m = 25, tiles_n = 1, units = 25 };

extern "C" __global__ void __launch_bounds__(256)
convolution(const float *x, const float *w, float *y) {
    __shared__ float As[16][64 + 1];
    __shared__ float Bs[16][64 + 1];
    const int tx = (int)threadIdx.x % 16, ty = (int)threadIdx.x / 16;
    for (int unit = (int)blockIdx.x; unit < units; unit += (int)gridDim.x) {
        const int m0 = unit % tiles_m * 64, n0 = unit / tiles_m % tiles_n * 64;
        const int part = unit / tiles_m / tiles_n % parts, group = unit / tiles_m / tiles_n / parts;
        const int first = (int)((long long)length * part / parts), stop = (int)((long long)length * (part + 1) / parts);
        float sums[4][4] = {};
        for (int k0 = first; k0 < stop; k0 += 16) {
            for (int i = 0; i < 4; ++i) {
                const int mm = (int)threadIdx.x % 64, kk = (int)threadIdx.x / 64 + 4 * i;
                const int m = m0 + mm, k = k0 + kk;
                float value = 0;
                if (m < M && k < stop) {
                    const int c = k / taps, tap = k % taps;
                    const int o2 = m % O2, o1 = m / O2 % O1, o0 = m / O2 / O1 % O0;
                    const int t2 = tap % K2, t1 = tap / K2 % K1, t0 = tap / K2 / K1 % K0;
                    const int i0 = o0 * S0 - P0 + t0 * D0;
                    const int i1 = o1 * S1 - P1 + t1 * D1;
                    const int i2 = o2 * S2 - P2 + t2 * D2;
                    if ((unsigned)i0 < (unsigned)I0 && (unsigned)i1 < (unsigned)I1 && (unsigned)i2 < (unsigned)I2) value = x[((m / points * G + group) * C + c) * plane + (i0 * I1 + i1) * I2 + i2];
                }
                As[kk][mm] = value;
            }
            for (int i = 0; i < 4; ++i) {
                const int kk = (int)threadIdx.x % 16, nn = (int)threadIdx.x / 16 + 16 * i;
                const int n = n0 + nn, k = k0 + kk;
                float value = 0;
                if (n < Nn && k < stop) {
                    value = w[(group * F + n) * length + k];
                }
                Bs[kk][nn] = value;
            }
            __syncthreads();
            #pragma unroll
            for (int k = 0; k < 16; ++k) {
                float x[4], y[4];
                #pragma unroll
                for (int i = 0; i < 4; ++i) {
                    x[i] = As[k][tx + 16 * i];
                    y[i] = Bs[k][ty + 16 * i];
                }
                #pragma unroll
                for (int i = 0; i < 4; ++i)
                    #pragma unroll
                    for (int j = 0; j < 4; ++j) sums[i][j] += x[i] * y[j];
            }
            __syncthreads();
        }
        for (int j = 0; j < 4; ++j) {
            for (int i = 0; i < 4; ++i) {
                const int m = m0 + tx + 16 * i, n = n0 + ty + 16 * j;
                if (m >= M || n >= Nn) continue;
                const float value = sums[i][j];
                y[((m / points * G + group) * F + n) * points + m % points] = value;
            }
        }
    }
}
