import COpenBLAS
import RealModule

/// The settings of one AdamW update (Loshchilov and Hutter, arXiv 1711.05101).
public struct AdamWSettings: Equatable, Sendable {
  public var learningRate: Double
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// Decoupled weight decay; a parameter shrinks by learningRate * decay.
  public var decay: Double

  public init(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    decay: Double = 0.01
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.decay = decay
  }
}

/// One AdamW update of `count` parameters, with the bias correction of PyTorch's `AdamW`.
///
/// - Parameters:
///   - parameter, moment1, moment2: (count), updated in place.
///   - gradient: (count), multiplied by `gradientScale` first (clipping, averaging).
///   - step: the number of this update, from 1.
///
/// Reads 16 bytes and writes 12 per parameter, so memory bandwidth is its limit.
public func adamW(
  _ parameter: UnsafeMutablePointer<Float>, moment1: UnsafeMutablePointer<Float>,
  moment2: UnsafeMutablePointer<Float>, _ gradient: UnsafePointer<Float>, count: Int, step: Int,
  gradientScale: Float = 1, _ settings: AdamWSettings
) {
  precondition(count >= 0, "a count is not negative")
  precondition(step >= 1, "steps count from 1")
  // Moments of parameters without a gradient decay into subnormal numbers.
  sluice_flush_subnormals()
  let correction1 = 1 - Double.pow(settings.beta1, step)
  let correction2 = (1 - Double.pow(settings.beta2, step)).squareRoot()
  let size = Float(settings.learningRate / correction1)
  let shrink = Float(1 - settings.learningRate * settings.decay)
  let (beta1, beta2) = (Float(settings.beta1), Float(settings.beta2))
  let (rest1, rest2) = (Float(1 - settings.beta1), Float(1 - settings.beta2))
  let root = Float(1 / correction2)
  let epsilon = Float(settings.epsilon)
  sweepLong(count) { i, n in
    // Every load comes before the first store: buffers a multiple of 4 KiB apart would make a load
    // wait for a store to the same place in another page.
    let p = parameter.lanes(i, n)
    let g = gradient.lanes(i, n) * gradientScale
    let m = moment1.lanes(i, n) * beta1 + g * rest1
    let v = moment2.lanes(i, n) * beta2 + g * g * rest2
    moment1.store(m, i, n)
    moment2.store(v, i, n)
    let direction = m / (squareRoots(v) * root + epsilon)
    parameter.store(p * shrink - direction * size, i, n)
  }
}

@inline(__always)
private func squareRoots(_ x: Lanes) -> Lanes {
  var result = x
  withUnsafeMutableBytes(of: &result) {
    sluice_square_roots($0.baseAddress!.assumingMemoryBound(to: Float.self))
  }
  return result
}
