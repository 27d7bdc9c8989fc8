#pragma once

// Products of rows that are kept apart, with vectors of 512 bits where a processor has them: Swift
// 6.3 has no words for those (the rest is compiled for AVX2). Looked at instead: SIMD16 in Swift,
// which is two vectors of 256 bits. Only code compiled for AVX2 and FMA sees them.

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

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
#endif
