import COpenBLAS
import Glibc

/// How many floating-point operations a second a product of two square matrices of 384 reaches on this
/// thread, the best of several within some milliseconds.
///
/// Ranks that measure at the same time measure what the machine gives them together. The first product is
/// not counted: it warms caches and clock up.
public func measuredProductRate(milliseconds: Int = 40) -> Double {
  _ = matmulCore
  let size = 384
  let factor = [Float](repeating: 0.5, count: size * size)
  var out = [Float](repeating: 0, count: size * size)
  let width = Int32(size)
  var best = Double.infinity
  let start = now()
  var products = 0
  repeat {
    let begin = now()
    factor.withUnsafeBufferPointer { factor in
      out.withUnsafeMutableBufferPointer { out in
        sluice_sgemm(
          0, 0, width, width, width, 1, factor.baseAddress, width, factor.baseAddress, width, 0,
          out.baseAddress, width)
      }
    }
    if products > 0 { best = min(best, now() - begin) }
    products += 1
  } while products < 3 || now() - start < Double(milliseconds) / 1000
  return 2 * Double(size) * Double(size) * Double(size) / best
}

private func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
