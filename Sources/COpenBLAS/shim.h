#pragma once
#include <cblas.h>
#include <cpuid.h>
#include <stdint.h>

/// One product C = alpha * op(A) * op(B) + beta * C of row-major single-precision matrices.
static inline void sluice_sgemm(int transposeA, int transposeB, int m, int n, int k, float alpha,
                                const float *a, int strideA, const float *b, int strideB,
                                float beta, float *c, int strideC) {
  cblas_sgemm(CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans,
              transposeB ? CblasTrans : CblasNoTrans, m, n, k, alpha, a, strideA, b, strideB, beta,
              c, strideC);
}

static inline void sluice_blas_set_threads(int threads) { openblas_set_num_threads(threads); }

/// The kernels that OpenBLAS chose for this processor, such as "Zen" or "SkylakeX".
static inline const char *sluice_blas_core(void) { return openblas_get_corename(); }

/// The version and build options of OpenBLAS.
static inline const char *sluice_blas_config(void) { return openblas_get_config(); }

/// One register of one CPUID leaf (0 eax, 1 ebx, 2 ecx, 3 edx), or 0 where the leaf is absent.
static inline uint32_t sluice_cpuid(uint32_t leaf, uint32_t subleaf, int which) {
  uint32_t r[4] = {0, 0, 0, 0};
  if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) return 0;
  return r[which & 3];
}

/// The vector state that the operating system saves (XCR0); ask only where OSXSAVE is set.
static inline uint32_t sluice_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}
