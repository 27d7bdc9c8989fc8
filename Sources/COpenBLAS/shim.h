#pragma once
#include <cblas.h>
#include <cpuid.h>
#include <stdint.h>
#include <stdlib.h>

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

// OpenBLAS chooses its kernels when it is loaded. These two exist where it was built for several
// processors (DYNAMIC_ARCH), and let the choice be made again.
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

/// Makes OpenBLAS use the kernels of the named core from now on; 0 where it cannot choose.
static inline int sluice_blas_choose(const char *core) {
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit) return 0;
  if (setenv("OPENBLAS_CORETYPE", core, 1) != 0) return 0;
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  return 1;
}

/// What the user asked OpenBLAS to use, or null.
static inline const char *sluice_blas_wish(void) { return getenv("OPENBLAS_CORETYPE"); }

#ifdef __AVX__
#include <immintrin.h>
#endif

/// The square roots of eight floats, in place: Swift 6.3 calls the library for each of them.
static inline void sluice_square_roots(float *x) {
#ifdef __AVX__
  _mm256_storeu_ps(x, _mm256_sqrt_ps(_mm256_loadu_ps(x)));
#else
  for (int i = 0; i < 8; i++) x[i] = __builtin_sqrtf(x[i]);
#endif
}

/// Makes this thread take subnormal floats for zero, as operands and as results (MXCSR, FTZ and DAZ).
static inline void sluice_flush_subnormals(void) {
  uint32_t mode = __builtin_ia32_stmxcsr();
  if ((mode & 0x8040) != 0x8040) __builtin_ia32_ldmxcsr(mode | 0x8040);
}


#include "rows.h"
#include "decode.h"
#include "exponentials.h"
#include "norms.h"
