#pragma once

// Kernels of rows that are kept apart which Swift 6.3 has no words for: vectors of 512 bits where a
// processor has them (the rest is compiled for AVX2), and the sums of eight vectors at once. Looked
// at instead: SIMD16 in Swift, which is two vectors of 256 bits, and halving a vector in Swift,
// which goes lane by lane. Only code compiled for AVX2 and FMA sees them.

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

// MARK: - Products by panels of sixteen columns

/// Some columns of a product over some of k.
struct sluice_panel_part {
  float *out;
  /// Elements from one row of the product to the next.
  long outStride;
  const float *a;
  /// Elements from one row of `a` to the next.
  long aStride;
  /// The first panel, (k, 16), and elements from one panel to the next.
  const float *b;
  long panelStride;
  long rows, columns, k;
  float scale;
  int accumulates;
};

/// Eight rows from `first` on and one or two panels from `column` on: of each element one sum in
/// the order of k, each addition fused with its product, so that it has the bits of any other
/// vector's width.
__attribute__((target("avx512f"), always_inline)) static inline void sluice_panel_tile(
    const int panels, const struct sluice_panel_part *part, long first, long column) {
  __m512 sums[8][2];
  const float *row[8];
  const float *b = part->b + column / 16 * part->panelStride;
#pragma clang loop unroll(full)
  for (int r = 0; r < 8; r++) {
    // Of rows that there are not those of the last one, whose sums are left.
    const long own = first + r < part->rows ? first + r : part->rows - 1;
    row[r] = part->a + own * part->aStride;
#pragma clang loop unroll(full)
    for (int p = 0; p < panels; p++) sums[r][p] = _mm512_setzero_ps();
  }
  for (long i = 0; i < part->k; i++) {
    __m512 x[2];
#pragma clang loop unroll(full)
    for (int p = 0; p < panels; p++) x[p] = _mm512_loadu_ps(b + p * part->panelStride + i * 16);
#pragma clang loop unroll(full)
    for (int r = 0; r < 8; r++) {
      const __m512 y = _mm512_set1_ps(row[r][i]);
#pragma clang loop unroll(full)
      for (int p = 0; p < panels; p++) sums[r][p] = _mm512_fmadd_ps(y, x[p], sums[r][p]);
    }
  }
  const __m512 factor = _mm512_set1_ps(part->scale);
#pragma clang loop unroll(full)
  for (int r = 0; r < 8; r++) {
    if (first + r >= part->rows) break;
#pragma clang loop unroll(full)
    for (int p = 0; p < panels; p++) {
      const long rest = part->columns - column - 16 * p;
      const __mmask16 mask = rest >= 16 ? 0xFFFF : (__mmask16)((1u << rest) - 1);
      float *target = part->out + (first + r) * part->outStride + column + 16 * p;
      __m512 value = _mm512_mul_ps(factor, sums[r][p]);
      if (part->accumulates) value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, target), value);
      _mm512_mask_storeu_ps(target, mask, value);
    }
  }
}

/// A product by panels, with vectors of 512 bits: eight rows by two panels fill sixteen of the 32
/// vectors with sums. Only for processors that have AVX-512.
__attribute__((target("avx512f"))) static inline void sluice_panel_product(
    const struct sluice_panel_part *part) {
  for (long column = 0; column < part->columns; column += 32) {
    if (part->columns - column > 16) {
      for (long row = 0; row < part->rows; row += 8) sluice_panel_tile(2, part, row, column);
    } else {
      for (long row = 0; row < part->rows; row += 8) sluice_panel_tile(1, part, row, column);
    }
  }
}

// MARK: - Attention of one query

/// Heads of one query and the keys or values that they meet.
struct sluice_heads_of_one {
  /// Query heads: so many from `first` on, of which `group` share a head of keys.
  long first, count, group;
  /// Elements from one token of keys or values to the next, and from one of their heads to the
  /// next.
  long tokenStride, headStride;
  long keys;
  /// Columns of a key or value.
  long width;
};

/// The mask of the first n of eight floats.
static inline __m256i sluice_first(long n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > 8 ? 8 : (int)n), lanes);
}

/// Asks for a head's columns of eight tokens, which are read after the next ones of the other
/// heads.
static inline void sluice_fetch(const float *tokens, long stride, long width) {
  for (int l = 0; l < 8; l++)
    for (long i = 0; i < width; i += 16)
      _mm_prefetch((const char *)(tokens + l * stride + i), _MM_HINT_T0);
}

/// The sums of eight vectors' elements, each by the same tree.
static inline __m256 sluice_sums(const __m256 *s) {
  const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(s[0], s[1]), _mm256_hadd_ps(s[2], s[3]));
  const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(s[4], s[5]), _mm256_hadd_ps(s[6], s[7]));
  return _mm256_add_ps(
      _mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}

/// scores (count, keys) = scale * query * key, or added to them: of each key eight partial sums.
///
/// Eight keys at a time, and of them all heads, so that memory is read in one sweep. `query` is of
/// the first head, the others lie `queryStride` apart.
static inline void sluice_scores_of_one(
    float *scores, const float *query, long queryStride, const float *key,
    struct sluice_heads_of_one shape, float scale, int adds) {
  const __m256 factor = _mm256_set1_ps(scale);
  const long whole = shape.width & ~7L;
  const __m256i tail = sluice_first(shape.width - whole);
  for (long j = 0; j < shape.keys; j += 8) {
    const long n = shape.keys - j;
    for (long head = 0; head < shape.count; head++) {
      const float *q = query + head * queryStride;
      const float *base = key + (shape.first + head) / shape.group * shape.headStride;
      if (n > 8) sluice_fetch(base + (j + 8) * shape.tokenStride, shape.tokenStride, shape.width);
      const float *k[8];
      __m256 s[8];
#pragma clang loop unroll(full)
      for (int l = 0; l < 8; l++) {
        // Of keys that there are not the last one, whose sum is left.
        k[l] = base + (l < n ? j + l : shape.keys - 1) * shape.tokenStride;
        s[l] = _mm256_setzero_ps();
      }
      for (long i = 0; i < whole; i += 8) {
        const __m256 x = _mm256_loadu_ps(q + i);
#pragma clang loop unroll(full)
        for (int l = 0; l < 8; l++) s[l] = _mm256_fmadd_ps(x, _mm256_loadu_ps(k[l] + i), s[l]);
      }
      if (whole < shape.width) {
        const __m256 x = _mm256_maskload_ps(q + whole, tail);
#pragma clang loop unroll(full)
        for (int l = 0; l < 8; l++)
          s[l] = _mm256_fmadd_ps(x, _mm256_maskload_ps(k[l] + whole, tail), s[l]);
      }
      float *out = scores + head * shape.keys + j;
      const __m256i mask = sluice_first(n);
      __m256 value = _mm256_mul_ps(factor, sluice_sums(s));
      if (adds) value = _mm256_add_ps(_mm256_maskload_ps(out, mask), value);
      _mm256_maskstore_ps(out, mask, value);
    }
  }
}

/// Adds weighted rows of at most eight values to some vectors of a head's columns, the last one
/// masked.
__attribute__((always_inline)) static inline void sluice_weigh(
    const int vectors, float *out, const float *weights, const float *value, long stride, long keys,
    int isFirst, long columns) {
  __m256 s[4];
  const int isWhole = columns >= 8 * vectors;
  const __m256i mask = sluice_first(columns - 8 * (vectors - 1));
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++)
    s[v] = isFirst ? _mm256_setzero_ps() : isWhole ? _mm256_loadu_ps(out + 8 * v)
                                                   : _mm256_maskload_ps(out + 8 * v, mask);
  for (long j = 0; j < keys; j++) {
    const __m256 weight = _mm256_broadcast_ss(weights + j);
    const float *row = value + j * stride;
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++)
      s[v] = _mm256_fmadd_ps(
          weight, isWhole ? _mm256_loadu_ps(row + 8 * v) : _mm256_maskload_ps(row + 8 * v, mask),
          s[v]);
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    if (isWhole) _mm256_storeu_ps(out + 8 * v, s[v]);
    else _mm256_maskstore_ps(out + 8 * v, mask, s[v]);
  }
}

/// out (count, width) = the sums of values weighted by `weights` (count, keys), in the order of
/// keys.
///
/// Eight values at a time, and of them all heads. `out` is of the first head, the others lie
/// `outStride` apart.
static inline void sluice_values_of_one(
    float *out, long outStride, const float *weights, const float *value,
    struct sluice_heads_of_one shape) {
  const long stride = shape.tokenStride;
  for (long j = 0; j < shape.keys; j += 8) {
    const long n = shape.keys - j < 8 ? shape.keys - j : 8;
    for (long head = 0; head < shape.count; head++) {
      const float *rows =
          value + (shape.first + head) / shape.group * shape.headStride + j * stride;
      const float *own = weights + head * shape.keys + j;
      float *target = out + head * outStride;
      if (j + 8 < shape.keys) sluice_fetch(rows + 8 * stride, stride, shape.width);
      long i = 0;
      for (; i + 32 <= shape.width; i += 32)
        sluice_weigh(4, target + i, own, rows + i, stride, n, j == 0, 32);
      for (; i + 16 <= shape.width; i += 16)
        sluice_weigh(2, target + i, own, rows + i, stride, n, j == 0, 16);
      for (; i < shape.width; i += 8)
        sluice_weigh(1, target + i, own, rows + i, stride, n, j == 0, shape.width - i);
    }
  }
}
#endif
