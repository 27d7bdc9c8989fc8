#pragma once

// Exponentials of whole rows: the softmax of a decode step, and gated units. Each is written for
// vectors of 512 bits, which Swift 6.3 has no words for; the softmax for 256 bits too, since its
// sums have one order. An element's operations are those of `exponential` in Kernels, each
// rounded by itself, so it has the same bits whatever a vector's width is. Looked at instead:
// SIMD8 in Swift (2.4 to 3.3 ns an element of short rows, half of it here: a core of a Xeon that
// others used).

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#include <math.h>

// MARK: - Vectors

/// The exponential of sixteen floats; constants and their sources stand beside `exponential` in
/// Kernels.
__attribute__((target("avx512f"), always_inline)) static inline __m512 sluice_exponential_512(
    __m512 x) {
  const __m512 rounding = _mm512_set1_ps(12582912.0f);
  // Of two operands one of which is no number the second is taken: NaN stays NaN.
  x = _mm512_max_ps(_mm512_set1_ps(-87.33f), _mm512_min_ps(_mm512_set1_ps(88.37f), x));
  const __m512 shifted = _mm512_add_ps(rounding, _mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)));
  const __m512 n = _mm512_sub_ps(shifted, rounding);
  const __m512 r = _mm512_add_ps(
      _mm512_sub_ps(x, _mm512_mul_ps(n, _mm512_set1_ps(0.693359375f))),
      _mm512_mul_ps(n, _mm512_set1_ps(2.12194440e-4f)));
  __m512 p = _mm512_add_ps(
      _mm512_mul_ps(r, _mm512_set1_ps(1.38145394e-3f)), _mm512_set1_ps(8.36874545e-3f));
  p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(4.16683890e-2f));
  p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(1.66665211e-1f));
  p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(4.99999940e-1f));
  p = _mm512_add_ps(
      _mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r), _mm512_set1_ps(1.0f));
  const __m512i power = _mm512_add_epi32(
      _mm512_slli_epi32(_mm512_castps_si512(shifted), 23), _mm512_set1_epi32(0x3F800000));
  return _mm512_mul_ps(p, _mm512_castsi512_ps(power));
}

/// As `sluice_exponential_512`, of eight.
__attribute__((always_inline)) static inline __m256 sluice_exponential_256(__m256 x) {
  const __m256 rounding = _mm256_set1_ps(12582912.0f);
  x = _mm256_max_ps(_mm256_set1_ps(-87.33f), _mm256_min_ps(_mm256_set1_ps(88.37f), x));
  const __m256 shifted = _mm256_add_ps(rounding, _mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)));
  const __m256 n = _mm256_sub_ps(shifted, rounding);
  const __m256 r = _mm256_add_ps(
      _mm256_sub_ps(x, _mm256_mul_ps(n, _mm256_set1_ps(0.693359375f))),
      _mm256_mul_ps(n, _mm256_set1_ps(2.12194440e-4f)));
  __m256 p = _mm256_add_ps(
      _mm256_mul_ps(r, _mm256_set1_ps(1.38145394e-3f)), _mm256_set1_ps(8.36874545e-3f));
  p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(4.16683890e-2f));
  p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(1.66665211e-1f));
  p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(4.99999940e-1f));
  p = _mm256_add_ps(
      _mm256_add_ps(_mm256_mul_ps(p, _mm256_mul_ps(r, r)), r), _mm256_set1_ps(1.0f));
  const __m256i power = _mm256_add_epi32(
      _mm256_slli_epi32(_mm256_castps_si256(shifted), 23), _mm256_set1_epi32(0x3F800000));
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

/// The mask of the first n of sixteen floats.
static inline unsigned short sluice_first_of_16(long n) {
  return n >= 16 ? 0xFFFF : (unsigned short)((1u << n) - 1);
}

// MARK: - Softmax of a decode step

/// The sum and the largest of eight floats, by a fixed tree.
static inline float sluice_sum_of_8(__m256 x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float sluice_largest_of_8(__m256 x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/// The largest score of each head, and in place of scores exp(score - largest), zero behind the
/// last key, with their sums.
///
/// Sixteen partial sums, of every sixteenth key each, then a tree. A score that is no number
/// makes the sum none. Heads are taken beside one another, each step for all of them before the
/// next: one head's steps wait for one another.
__attribute__((target("avx512f"))) static inline void sluice_weights_512(
    float *scores, const struct sluice_heads_of_one *shape, float *sums, float *largest) {
  const long keys = shape->keys, heads = shape->count;
  for (long head = 0; head < heads; head++) {
    const float *own = scores + head * shape->scoreStride;
    __m512 most = _mm512_set1_ps(-INFINITY);
#pragma clang loop unroll(disable)
    for (long j = 0; j < keys; j += 16) most = _mm512_max_ps(_mm512_loadu_ps(own + j), most);
    largest[head] = sluice_largest_of_8(_mm256_max_ps(
        _mm512_castps512_ps256(most),
        _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(most), 1))));
  }
  for (long head = 0; head < heads; head++) {
    float *own = scores + head * shape->scoreStride;
    const __m512 shift = _mm512_set1_ps(largest[head]);
    __m512 total = _mm512_setzero_ps();
#pragma clang loop unroll(disable)
    for (long j = 0; j < keys; j += 16) {
      const __m512 power = _mm512_maskz_mov_ps(
          sluice_first_of_16(keys - j),
          sluice_exponential_512(_mm512_sub_ps(_mm512_loadu_ps(own + j), shift)));
      _mm512_storeu_ps(own + j, power);
      total = _mm512_add_ps(total, power);
    }
    sums[head] = sluice_sum_of_8(_mm256_add_ps(
        _mm512_castps512_ps256(total),
        _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(total), 1))));
  }
}

/// As `sluice_weights_512`, with the same bits.
static inline void sluice_weights_256(
    float *scores, const struct sluice_heads_of_one *shape, float *sums, float *largest) {
  const long keys = shape->keys;
  for (long head = 0; head < shape->count; head++) {
    float *own = scores + head * shape->scoreStride;
    __m256 most = _mm256_set1_ps(-INFINITY);
    for (long j = 0; j < keys; j += 8) most = _mm256_max_ps(_mm256_loadu_ps(own + j), most);
    largest[head] = sluice_largest_of_8(most);
    const __m256 shift = _mm256_set1_ps(largest[head]);
    __m256 total[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (long j = 0; j < keys; j += 16) {
#pragma clang loop unroll(full)
      for (int half = 0; half < 2; half++) {
        float *part = own + j + 8 * half;
        const long rest = keys - j - 8 * half;
        const __m256 mask = _mm256_castsi256_ps(sluice_first(rest > 0 ? rest : 0));
        const __m256 power = _mm256_and_ps(
            mask, sluice_exponential_256(_mm256_sub_ps(_mm256_loadu_ps(part), shift)));
        _mm256_storeu_ps(part, power);
        total[half] = _mm256_add_ps(total[half], power);
      }
    }
    sums[head] = sluice_sum_of_8(_mm256_add_ps(total[0], total[1]));
  }
}

/// scores (heads, scoreStride) become weights of the keys of each head, which add up to `sums`
/// (heads); logSum (heads) the logarithms of the exponentials' sums, null where nobody asks for
/// them. There is room for a float of each head behind `sums`.
static inline void sluice_weights_of_one(
    float *scores, const struct sluice_heads_of_one *shape, float *sums, float *logSum,
    int isWide) {
  float *largest = logSum ? logSum : sums + shape->count;
  if (isWide) sluice_weights_512(scores, shape, sums, largest);
  else sluice_weights_256(scores, shape, sums, largest);
  if (!logSum) return;
  for (long head = 0; head < shape->count; head++) logSum[head] += logf(sums[head]);
}

// MARK: - Attention of a decode step

/// One query of each row against the keys and values of its own cache.
struct sluice_queries_of_one {
  float *out;
  const float *query, *key, *value;
  /// Elements from one row of `out` and of `query` to the next, and from one of their heads.
  long outRow, outHead, queryRow, queryHead;
  /// Elements from one row's keys and values to the next row's.
  long keyRow, valueRow;
  long rows;
  /// By row the keys in front of the query's own, and how many of all it sees at most.
  const long *before;
  long window;
  float scale;
  /// Room for the scores of all heads, and for two numbers of each.
  float *scores;
};

/// out = softmax(scale * query * key) * value of all heads of each row. `keys` and `values` tell
/// how keys and values lie; how many there are is said by row.
static inline void sluice_attend(
    const struct sluice_queries_of_one *all, struct sluice_heads_of_one keys,
    struct sluice_heads_of_one values, int isWide) {
  for (long row = 0; row < all->rows; row++) {
    const long end = all->before[row] + 1;
    const long first = end > all->window ? end - all->window : 0;
    keys.keys = values.keys = end - first;
    keys.scoreStride = values.scoreStride = (end - first + 15) & ~15L;
    float *sums = all->scores + keys.count * keys.scoreStride;
    sluice_scores_of_one(
        all->scores, all->query + row * all->queryRow, all->queryHead,
        all->key + row * all->keyRow + first * keys.tokenStride, keys, all->scale, 0);
    sluice_weights_of_one(all->scores, &values, sums, 0, isWide);
    sluice_values_of_one(
        all->out + row * all->outRow, all->outHead, all->scores, sums,
        all->value + row * all->valueRow + first * values.tokenStride, values, isWide);
  }
}

// MARK: - Rows

/// out (count) = exp of x (count). Only for processors that have AVX-512.
__attribute__((target("avx512f"))) static inline void sluice_exponentials_512(
    float *out, const float *x, long count) {
  for (long i = 0; i < count; i += 16) {
    const __mmask16 mask = sluice_first_of_16(count - i);
    _mm512_mask_storeu_ps(
        out + i, mask, sluice_exponential_512(_mm512_maskz_loadu_ps(mask, x + i)));
  }
}

/// out (count) = gate * logistic(gate) * up. Only for processors that have AVX-512.
__attribute__((target("avx512f"))) static inline void sluice_swiglu_512(
    float *out, const float *gate, const float *up, long count) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 sign = _mm512_set1_ps(-0.0f);
  for (long i = 0; i < count; i += 16) {
    const __mmask16 mask = sluice_first_of_16(count - i);
    const __m512 x = _mm512_maskz_loadu_ps(mask, gate + i);
    const __m512 minus = _mm512_castsi512_ps(
        _mm512_xor_si512(_mm512_castps_si512(x), _mm512_castps_si512(sign)));
    const __m512 logistic =
        _mm512_div_ps(one, _mm512_add_ps(one, sluice_exponential_512(minus)));
    _mm512_mask_storeu_ps(
        out + i, mask,
        _mm512_mul_ps(_mm512_mul_ps(x, logistic), _mm512_maskz_loadu_ps(mask, up + i)));
  }
}

/// out (count) = x / (1 + exp(x * (x * x * -bend - slope))). Only for processors that have AVX-512.
__attribute__((target("avx512f"))) static inline void sluice_gelu_512(
    float *out, const float *x, long count, float slope, float bend) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for (long i = 0; i < count; i += 16) {
    const __mmask16 mask = sluice_first_of_16(count - i);
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
    const __m512 inner = _mm512_sub_ps(
        _mm512_mul_ps(_mm512_mul_ps(v, v), _mm512_set1_ps(-bend)), _mm512_set1_ps(slope));
    const __m512 power = sluice_exponential_512(_mm512_mul_ps(v, inner));
    _mm512_mask_storeu_ps(out + i, mask, _mm512_div_ps(v, _mm512_add_ps(one, power)));
  }
}
#endif
