import COpenBLAS

/// What decides the bits of a matrix product beside its inputs: OpenBLAS's version, build and core.
///
/// Ranks that are to agree bit for bit must agree on this text.
public func matmulIdentity() -> String {
  _ = matmulCore
  let core = String(cString: sluice_blas_core())
  let configuration = String(cString: sluice_blas_config())
  return "\(configuration) on \(core)"
}

/// The name of the kernels that products are computed by, as `OPENBLAS_CORETYPE` takes it: `Haswell`.
public func matmulCoreName() -> String { matmulCore }

/// The kernels that OpenBLAS uses in this process, chosen once, before the first product.
///
/// A processor that is younger than the library is taken for one without AVX (OpenBLAS 0.3.21 takes an
/// Emerald Rapids for "Prescott", at a fifth of the rate: measured). Where that happened and
/// `OPENBLAS_CORETYPE` is not set, the kernels for Haswell or SkylakeX are chosen by the features that
/// the processor has; older cores are left alone.
let matmulCore: String = {
  let found = String(cString: sluice_blas_core())
  let old = ["Prescott", "Core2", "Nehalem", "Penryn", "Dunnington", "Atom", "Sandybridge"]
  let isOld = old.contains { $0.lowercased() == found.lowercased() }
  if isOld && sluice_blas_wish() == nil && missingProcessorFeatures().isEmpty {
    _ = sluice_blas_choose(hasAVX512() ? "SkylakeX" : "Haswell")
  }
  return String(cString: sluice_blas_core())
}()

/// AVX-512 with the parts that OpenBLAS's SkylakeX kernels use (F, DQ, CD, BW, VL), saved by the system.
func hasAVX512() -> Bool {
  let extended = sluice_cpuid(7, 0, 1)
  let parts: [UInt32] = [16, 17, 28, 30, 31]
  let savesVectors = sluice_cpuid(1, 0, 2) & (1 << 27) != 0
  return savesVectors && parts.allSatisfy { extended & (1 << $0) != 0 }
    && sluice_xcr0() & 0xE6 == 0xE6
}

/// Sets how many threads OpenBLAS uses in this process; a program calls it once, at the start.
///
/// Another number of threads may give other bits.
public func setMatmulThreads(_ threads: Int) {
  precondition(threads >= 1, "at least one thread")
  sluice_blas_set_threads(Int32(threads))
}
