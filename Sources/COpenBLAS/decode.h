#pragma once

// Attention of one query, whose rows are kept apart, by the sums of eight vectors at once and, for
// values, by vectors of 512 bits where a processor has them: Swift 6.3 has no words for either.
// Looked at instead: halving a vector in Swift, which goes lane by lane. Only code compiled for
// AVX2 and FMA sees them.

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#include <math.h>

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
  /// Elements from one head's scores to the next: keys, rounded up to sixteen, so that a whole vector
  /// belongs to one head. (What a masked store leaves out is not there for the next load: it waits.)
  long scoreStride;
};

/// Elements from the first head of keys to that of a query's head.
__attribute__((always_inline)) static inline long sluice_place_of_head(
    const struct sluice_heads_of_one *shape, long head) {
  const long own = shape->first + head;
  // A division takes as long as the scores of eight keys.
  return (shape->group == 1 ? own : own / shape->group) * shape->headStride;
}

/// The mask of the first n of eight floats.
static inline __m256i sluice_first(long n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > 8 ? 8 : (int)n), lanes);
}

/// Asks for a head's columns of eight tokens, which are read soon.
__attribute__((always_inline)) static inline void sluice_fetch(
    const float *tokens, long stride, long width) {
#pragma clang loop unroll(full)
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

/// The products of one query and eight keys: of each key eight partial sums.
///
/// `keys` names the first key and the elements from one to the next, or, where there are fewer than
/// eight, each by itself.
__attribute__((always_inline)) static inline __m256 sluice_eight_scores(
    const float *query, const float *first, long stride, const float *const *each, long width) {
  const long whole = width & ~7L;
  __m256 s[8];
#pragma clang loop unroll(full)
  for (int l = 0; l < 8; l++) s[l] = _mm256_setzero_ps();
  for (long i = 0; i < whole; i += 8) {
    const __m256 x = _mm256_loadu_ps(query + i);
#pragma clang loop unroll(full)
    for (int l = 0; l < 8; l++) {
      const float *key = each ? each[l] : first + l * stride;
      s[l] = _mm256_fmadd_ps(x, _mm256_loadu_ps(key + i), s[l]);
    }
  }
  if (whole < width) {
    const __m256i tail = sluice_first(width - whole);
    const __m256 x = _mm256_maskload_ps(query + whole, tail);
#pragma clang loop unroll(full)
    for (int l = 0; l < 8; l++) {
      const float *key = each ? each[l] : first + l * stride;
      s[l] = _mm256_fmadd_ps(x, _mm256_maskload_ps(key + whole, tail), s[l]);
    }
  }
  return sluice_sums(s);
}

/// As `sluice_scores_of_one`; a width that the compiler knows needs no loop over it.
__attribute__((always_inline)) static inline void sluice_scores_of_width(
    float *scores, const float *query, long queryStride, const float *key,
    const struct sluice_heads_of_one *shape, float scale, int adds, long width) {
  const __m256 factor = _mm256_set1_ps(scale), none = _mm256_set1_ps(-INFINITY);
  const long stride = shape->tokenStride, keys = shape->keys;
  for (long j = 0; j < keys; j += 8) {
    const long n = keys - j;
    for (long head = 0; head < shape->count; head++) {
      const float *q = query + head * queryStride;
      const long place = sluice_place_of_head(shape, head) + j * stride;
      float *out = scores + head * shape->scoreStride + j;
      // Heads of 16 columns are those of small models, whose caches lie near.
      if (n > 8 && width != 16) sluice_fetch(key + place + 8 * stride, stride, width);
      if (n >= 8) {
        const __m256 sums = sluice_eight_scores(q, key + place, stride, 0, width);
        __m256 value = _mm256_mul_ps(factor, sums);
        if (adds) value = _mm256_add_ps(_mm256_loadu_ps(out), value);
        _mm256_storeu_ps(out, value);
      } else {
        // Of keys that there are not the last one, whose score is none.
        const float *each[8];
        for (int l = 0; l < 8; l++) each[l] = key + place + (l < n ? l : n - 1) * stride;
        const __m256 sums = sluice_eight_scores(q, 0, 0, each, width);
        __m256 value = _mm256_mul_ps(factor, sums);
        if (adds) value = _mm256_add_ps(_mm256_loadu_ps(out), value);
        _mm256_storeu_ps(
            out, _mm256_blendv_ps(none, value, _mm256_castsi256_ps(sluice_first(n))));
      }
      if (j + 8 >= keys && j + 8 < shape->scoreStride) _mm256_storeu_ps(out + 8, none);
    }
  }
}

/// scores (count, scoreStride) = scale * query * key, or added to them: of each key eight
/// partial sums; -infinity behind the last key.
///
/// Eight keys at a time, and of them all heads, so that memory is read in one sweep. `query` is of
/// the first head, the others lie `queryStride` apart.
static inline void sluice_scores_of_one(
    float *scores, const float *query, long queryStride, const float *key,
    struct sluice_heads_of_one shape, float scale, int adds) {
  switch (shape.width) {
  case 16:
    // Four heads side by side: of distances that the compiler knows no address is worked out.
    if (shape.tokenStride == 64 && shape.headStride == 16 && shape.group == 1) {
      shape.tokenStride = 64;
      shape.headStride = 16;
      shape.group = 1;
      sluice_scores_of_width(scores, query, queryStride, key, &shape, scale, adds, 16);
      break;
    }
    sluice_scores_of_width(scores, query, queryStride, key, &shape, scale, adds, 16);
    break;
  case 64:
    sluice_scores_of_width(scores, query, queryStride, key, &shape, scale, adds, 64);
    break;
  default:
    sluice_scores_of_width(
        scores, query, queryStride, key, &shape, scale, adds, shape.width);
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

/// 64 columns of as many heads as have them, one beside the other: their sums stay in eight
/// vectors.
__attribute__((always_inline)) static inline void sluice_weigh_64(
    float *out, long outStride, const float *weights, const float *sums, const float *value,
    const struct sluice_heads_of_one *shape, const long width) {
  const long stride = shape->tokenStride, keys = shape->keys, vectors = width / 8;
  __m256 s[8];
#pragma clang loop unroll(full)
  for (int v = 0; v < 8; v++) s[v] = _mm256_setzero_ps();
  for (long j = 0; j < keys; j++) {
    const float *row = value + j * stride;
#pragma clang loop unroll(full)
    for (int v = 0; v < 8; v++) {
      const __m256 weight = _mm256_broadcast_ss(weights + v / vectors * shape->scoreStride + j);
      s[v] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(row + 8 * v), s[v]);
    }
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < 8; v++)
    _mm256_storeu_ps(
        out + v / vectors * outStride + v % vectors * 8,
        _mm256_mul_ps(_mm256_set1_ps(1 / sums[v / vectors]), s[v]));
}

/// As `sluice_weigh_64`, with vectors of 512 bits: the same sums in the same order.
__attribute__((target("avx512f"), always_inline)) static inline void sluice_weigh_64_wide(
    float *out, long outStride, const float *weights, const float *sums, const float *value,
    const struct sluice_heads_of_one *shape, const long width) {
  const long stride = shape->tokenStride, keys = shape->keys, vectors = width / 16;
  __m512 s[4];
#pragma clang loop unroll(full)
  for (int v = 0; v < 4; v++) s[v] = _mm512_setzero_ps();
  for (long j = 0; j < keys; j++) {
    const float *row = value + j * stride;
#pragma clang loop unroll(full)
    for (int v = 0; v < 4; v++) {
      const __m512 weight = _mm512_set1_ps(weights[v / vectors * shape->scoreStride + j]);
      s[v] = _mm512_fmadd_ps(weight, _mm512_loadu_ps(row + 16 * v), s[v]);
    }
  }
#pragma clang loop unroll(full)
  for (int v = 0; v < 4; v++)
    _mm512_storeu_ps(
        out + v / vectors * outStride + v % vectors * 16,
        _mm512_mul_ps(_mm512_set1_ps(1 / sums[v / vectors]), s[v]));
}

/// `sluice_weigh_64_wide` of a width that the compiler knows.
__attribute__((target("avx512f"))) static inline void sluice_weigh_64_512(
    float *out, long outStride, const float *weights, const float *sums, const float *value,
    const struct sluice_heads_of_one *shape) {
  switch (shape->width) {
  case 16: sluice_weigh_64_wide(out, outStride, weights, sums, value, shape, 16); break;
  case 32: sluice_weigh_64_wide(out, outStride, weights, sums, value, shape, 32); break;
  default: sluice_weigh_64_wide(out, outStride, weights, sums, value, shape, 64);
  }
}

/// Multiplies some columns by a factor.
__attribute__((always_inline)) static inline void sluice_scale(
    float *out, float factor, long columns) {
  for (long i = 0; i < columns; i += 8) {
    const __m256i mask = sluice_first(columns - i);
    _mm256_maskstore_ps(
        out + i, mask, _mm256_mul_ps(_mm256_set1_ps(factor), _mm256_maskload_ps(out + i, mask)));
  }
}

/// out (count, width) = the sums of values weighted by `weights` (count, scoreStride), in the
/// order of keys, over `sums` (count), those of the weights.
///
/// Heads of 16, 32 or 64 columns that lie side by side are taken by 64 columns; of others eight
/// values at a time, and of them all heads. `out` is of the first head, the others lie `outStride`
/// apart. `isWide` only for processors that have AVX-512; the same bits either way.
static inline void sluice_values_of_one(
    float *out, long outStride, const float *weights, const float *sums, const float *value,
    struct sluice_heads_of_one shape, int isWide) {
  const long stride = shape.tokenStride, width = shape.width;
  const int isWhole = width == 16 || width == 32 || width == 64;
  if (isWhole && shape.group == 1 && shape.headStride == width) {
    const long heads = 64 / width;
    for (; shape.count >= heads; shape.count -= heads, shape.first += heads) {
      const float *own = value + shape.first * width;
      if (isWide) sluice_weigh_64_512(out, outStride, weights, sums, own, &shape);
      else switch (width) {
      case 16: sluice_weigh_64(out, outStride, weights, sums, own, &shape, 16); break;
      case 32: sluice_weigh_64(out, outStride, weights, sums, own, &shape, 32); break;
      default: sluice_weigh_64(out, outStride, weights, sums, own, &shape, 64);
      }
      out += heads * outStride;
      weights += heads * shape.scoreStride;
      sums += heads;
    }
  }
  if (shape.count == 0) return;
  for (long j = 0; j < shape.keys; j += 8) {
    const long n = shape.keys - j < 8 ? shape.keys - j : 8;
    for (long head = 0; head < shape.count; head++) {
      const float *rows = value + sluice_place_of_head(&shape, head) + j * stride;
      const float *own = weights + head * shape.scoreStride + j;
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
  for (long head = 0; head < shape.count; head++)
    sluice_scale(out + head * outStride, 1 / sums[head], shape.width);
}
#endif
