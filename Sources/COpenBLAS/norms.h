#pragma once

// Root-mean-square norms of eight rows at once: the sum of a row's eight lanes, its root and its
// quotient, each of which waits for the one before, are made for eight rows side by side. Each
// row's operations are those of `rmsNormForward` in Kernels, in the same order, so it has the same
// bits. Only code compiled for AVX2 sees them.

#if defined(__AVX2__)
#include <immintrin.h>

/// The lanes of eight vectors, turned: element l of vector r becomes element r of vector l.
__attribute__((always_inline)) static inline void sluice_turn_8(__m256 *s) {
  __m256 a[8], b[8];
#pragma clang loop unroll(full)
  for (int r = 0; r < 8; r += 2) {
    a[r] = _mm256_unpacklo_ps(s[r], s[r + 1]);
    a[r + 1] = _mm256_unpackhi_ps(s[r], s[r + 1]);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < 8; r += 4) {
    b[r] = _mm256_shuffle_ps(a[r], a[r + 2], 0x44);
    b[r + 1] = _mm256_shuffle_ps(a[r], a[r + 2], 0xEE);
    b[r + 2] = _mm256_shuffle_ps(a[r + 1], a[r + 3], 0x44);
    b[r + 3] = _mm256_shuffle_ps(a[r + 1], a[r + 3], 0xEE);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < 4; r++) {
    s[r] = _mm256_permute2f128_ps(b[r], b[r + 4], 0x20);
    s[r + 4] = _mm256_permute2f128_ps(b[r], b[r + 4], 0x31);
  }
}

/// out (8, columns) = x / sqrt(mean of x squared + epsilon) * gain (columns), `reciprocal` (8) what
/// x is multiplied by first. Columns are a multiple of eight; rows of x start `stride` elements
/// apart.
static inline void sluice_rms_norms_8(
    float *out, float *reciprocal, const float *x, const float *gain, long columns, long stride,
    float epsilon) {
  __m256 s[8];
#pragma clang loop unroll(disable)
  for (int r = 0; r < 8; r++) {
    const float *row = x + r * stride;
    __m256 sums[4];
#pragma clang loop unroll(full)
    for (int v = 0; v < 4; v++) sums[v] = _mm256_setzero_ps();
    long i = 0;
    for (; i + 32 <= columns; i += 32) {
#pragma clang loop unroll(full)
      for (int v = 0; v < 4; v++) {
        const __m256 value = _mm256_loadu_ps(row + i + 8 * v);
        sums[v] = _mm256_add_ps(sums[v], _mm256_mul_ps(value, value));
      }
    }
    for (; i < columns; i += 8) {
      const __m256 value = _mm256_loadu_ps(row + i);
      sums[0] = _mm256_add_ps(sums[0], _mm256_mul_ps(value, value));
    }
    s[r] = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  }
  sluice_turn_8(s);
  __m256 total = s[0];
#pragma clang loop unroll(full)
  for (int l = 1; l < 8; l++) total = _mm256_add_ps(total, s[l]);
  const __m256 square = _mm256_div_ps(total, _mm256_set1_ps((float)columns));
  const __m256 root = _mm256_sqrt_ps(_mm256_add_ps(square, _mm256_set1_ps(epsilon)));
  _mm256_storeu_ps(reciprocal, _mm256_div_ps(_mm256_set1_ps(1.0f), root));
#pragma clang loop unroll(disable)
  for (int r = 0; r < 8; r++) {
    const float *row = x + r * stride;
    float *target = out + r * columns;
    const __m256 factor = _mm256_broadcast_ss(reciprocal + r);
    for (long i = 0; i < columns; i += 8) {
      const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(row + i), factor);
      _mm256_storeu_ps(target + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(gain + i)));
    }
  }
}
#endif
