import RealModule

/// What the model may be wrong about in one factor for all steps of a system.
public enum NuisanceFactor: String, Hashable, Sendable, CaseIterable {
  /// How long kernels take, those of expert exchanges among them.
  case computation
  /// How long collectives and messages take.
  case collectives
  /// How long the host takes to launch a kernel.
  case host

  /// How far the factor may lie from 1 before anything was measured: the standard deviation of its logarithm.
  ///
  /// From docs/validation.md, where a mean error without signs is 0.8 standard deviations: products of
  /// DeepGEMM 4.1 %, attention 2.3 % and streaming kernels 9.2 %, weighed as V3's step has them; collectives
  /// on 2 to 8 A100s 10.2 % and on H100s 7.8 % (docs/collectives.md); a host's 5 us, of which other systems
  /// needed 2 to 41.
  public var deviation: Double {
    switch self {
    case .computation: 0.06
    case .collectives: 0.13
    case .host: 0.7
    }
  }
}

/// A simulated step, and what it gains where a factor grows: by how many per cent for one per cent.
public struct StepSensitivity: Hashable, Sendable {
  /// Seconds.
  public var step: Double
  /// By factor, in the order of `NuisanceFactor.allCases`.
  public var elasticities: [Double]

  public init(step: Double, elasticities: [Double]) {
    precondition(elasticities.count == NuisanceFactor.allCases.count, "Every factor has one.")
    (self.step, self.elasticities) = (step, elasticities)
  }

  /// What a factor alone would have to be for the step to take so many seconds; nil where it does not move
  /// the step.
  public func factor(_ factor: NuisanceFactor, for measured: Double) -> Double? {
    guard let index = NuisanceFactor.allCases.firstIndex(of: factor) else { return nil }
    let elasticity = elasticities[index]
    guard elasticity > 0.005 else { return nil }
    return Double.exp(Double.log(measured / step) / elasticity)
  }
}

/// Factors between simulated and measured steps, inferred from runs that were measured.
///
/// Logarithms of the factors are normal, independent before anything was measured; of a step they are taken
/// to act as powers, which holds near 1. What is left differs from layout to layout: a normal error of its own.
public struct AnchoredModel: Sendable {
  /// The error of a layout beside the factors, a standard deviation: with one system's errors by layout (the
  /// recipes of NVIDIA from −4.2 to −7.4 %, Megatron's A100s from 0 to −4.4 %), and of the same layout on
  /// another number of data ranks.
  public static let layoutDeviation = 0.025
  public static let sameLayoutDeviation = 0.01

  /// Standard deviations on either side of the mean between which 90 % lie.
  private static let reach = 1.6449

  /// Beyond this many standard deviations, in the root of the mean square over the runs, measurements contradict each
  /// other or what factors may be.
  public static let greatestDisagreement = 2.0

  /// Squares of how far each measured step lay from what was expected of it, in its own variance.
  private var surprises: [Double] = []
  /// Means and covariances of the logarithms.
  private var means: [Double]
  private var covariances: [[Double]]

  /// What is known before anything was measured.
  public init() {
    let factors = NuisanceFactor.allCases
    means = factors.map { _ in 0 }
    covariances = factors.indices.map { row in
      factors.indices.map { row == $0 ? factors[row].deviation * factors[row].deviation : 0 }
    }
  }

  /// Learns from a measured step.
  ///
  /// - Parameters:
  ///   - measured: seconds.
  ///   - error: the standard deviation of what the factors do not say of it.
  public mutating func learn(_ step: StepSensitivity, measured: Double, error: Double) {
    let slopes = step.elasticities
    let gained = product(slopes)
    let variance = dot(slopes, gained) + error * error
    let surprise = Double.log(measured / step.step) - dot(slopes, means)
    surprises.append(surprise * surprise / variance)
    for row in means.indices {
      means[row] += gained[row] / variance * surprise
      for column in means.indices {
        covariances[row][column] -= gained[row] * gained[column] / variance
      }
    }
  }

  /// How far measured steps lie from what the model allows, in standard deviations.
  ///
  /// The root of the mean square, 1 in the mean where both are right: Birge's ratio (Phys. Rev. 40, 207); 0 before
  /// anything was measured.
  public var disagreement: Double {
    surprises.isEmpty ? 0 : (surprises.reduce(0, +) / Double(surprises.count)).squareRoot()
  }

  /// By how much deviations are wider than what was assumed of errors: by the disagreement, where it is too large to
  /// be chance.
  private var widening: Double {
    disagreement > Self.greatestDisagreement ? disagreement : 1
  }

  /// A factor with the ends of its 90 %.
  public func factor(_ factor: NuisanceFactor) -> Interval {
    let index = NuisanceFactor.allCases.firstIndex(of: factor) ?? 0
    return interval(means[index], covariances[index][index], times: 1)
  }

  /// A step as it will be, seconds.
  public func predicted(_ step: StepSensitivity, error: Double) -> Interval {
    let slopes = step.elasticities
    return interval(
      dot(slopes, means), dot(slopes, product(slopes)) + error * error, times: step.step)
  }

  /// A value with the ends between which 90 % of the cases lie.
  public struct Interval: Hashable, Sendable {
    public var low: Double
    public var middle: Double
    public var high: Double
  }

  private func interval(_ mean: Double, _ variance: Double, times: Double) -> Interval {
    let half = Self.reach * widening * max(0, variance).squareRoot()
    return Interval(
      low: times * Double.exp(mean - half), middle: times * Double.exp(mean),
      high: times * Double.exp(mean + half))
  }

  private func product(_ vector: [Double]) -> [Double] { covariances.map { dot($0, vector) } }

  private func dot(_ left: [Double], _ right: [Double]) -> Double {
    zip(left, right).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
