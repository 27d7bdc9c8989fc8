#if MPI
  import Documents
  import Foundation
  import Kernels

  /// Prepares this process to compute: refuses a processor that lacks what kernels use, and gives
  /// products one thread unless OPENBLAS_NUM_THREADS says otherwise.
  func prepareProcessor() throws(ConfigurationError) {
    let missing = missingProcessorFeatures()
    guard missing.isEmpty else {
      throw ConfigurationError(
        file: "this processor", rule: "lacks \(missing.joined(separator: ", "))")
    }
    guard getenv("OPENBLAS_NUM_THREADS") == nil else { return }
    setMatmulThreads(1)
  }
#endif
