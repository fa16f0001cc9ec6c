static __device__ void note(long long *words, long long kind, long long index, long long dim, long long size) {
    // The first fault is kept. The host reads word 0 last.
    if (atomicCAS((unsigned long long *)(words + 4), 0ULL, 1ULL) != 0ULL) return;
    words[1] = index;
    words[2] = dim;
    words[3] = size;
    __threadfence_system();
    *(volatile long long *)words = kind;
}
static __device__ long long row_of(const long long *i0, long long E0, long long D0, long long *words, long long kind, long long number) {
    long long row = 0, given, at;
    given = (long long)i0[number];
    at = given;
    if (at < 0 || at >= E0) {
        note(words, kind, given, D0, E0);
        return -1;
    }
    row = row * E0 + at;
    return row;
}

extern "C" __global__ void __launch_bounds__(256)
embedding_rows(const unsigned int *x, const long long *i0, unsigned int *y, long long *words, long long total, long long rows, long long count, long long columns, long long kind, long long E0, long long D0) {
    const long long threads = (long long)gridDim.x * blockDim.x;
    for (long long unit = (long long)blockIdx.x * blockDim.x + threadIdx.x; unit < total; unit += threads) {
        const long long column = unit % columns, number = unit / columns % count;
        const long long lead = unit / columns / count;
        const long long row = row_of(i0, E0, D0, words, kind, number);
        y[unit] = row < 0 ? 0 : x[(lead * rows + row) * columns + column];
    }
}
