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
/// to act as powers, which holds near 1. What is left differs from layout to layout: every layout has a normal error
/// of its own, which all of its runs share, and every run one more.
public struct AnchoredModel: Sendable {
  /// Standard deviations of what the factors do not say of a step.
  ///
  /// With one system's errors by layout (the recipes of NVIDIA from −4.2 to −7.4 %, Megatron's A100s from 0 to
  /// −4.4 %), and of the same layout on another number of data ranks.
  public struct Deviations: Hashable, Sendable {
    /// Of a layout that was not measured.
    public var layout = 0.025
    /// Of a run whose layout is known.
    public var run = 0.01

    public init() {}

    /// Of what runs of one layout share.
    var shared: Double { (layout * layout - run * run).squareRoot() }
  }

  /// Standard deviations on either side of the mean between which 90 % lie.
  private static let reach = 1.6449

  /// Beyond this many standard deviations, in the root of the mean square over the runs, measurements contradict each
  /// other or what factors may be.
  public static let greatestDisagreement = 2.0

  private let deviations: Deviations
  /// Squares of how far each measured step lay from what was expected of it, in its own variance.
  private var surprises: [Double] = []
  /// Means and covariances of the logarithms of the factors, then of the errors of layouts that were measured.
  private var means: [Double] = []
  private var covariances: [[Double]] = []

  /// What is known before anything was measured.
  public init(_ deviations: Deviations = Deviations()) {
    self.deviations = deviations
    for factor in NuisanceFactor.allCases { append(deviation: factor.deviation) }
  }

  /// Another value that nothing was learned of.
  private mutating func append(deviation: Double) {
    for row in covariances.indices { covariances[row].append(0) }
    covariances.append(means.map { _ in 0 } + [deviation * deviation])
    means.append(0)
  }

  /// Learns from a measured step.
  ///
  /// - Parameters:
  ///   - measured: seconds.
  ///   - layout: the number of its layout, from 0 in the order in which they are met.
  public mutating func learn(_ step: StepSensitivity, measured: Double, layout: Int) {
    precondition(layout <= layoutCount, "Layouts are numbered as they are met.")
    if layout == layoutCount { append(deviation: deviations.shared) }
    let slopes = slopes(of: step, layout)
    let gained = product(slopes)
    let variance = dot(slopes, gained) + deviations.run * deviations.run
    let surprise = Double.log(measured / step.step) - dot(slopes, means)
    surprises.append(surprise * surprise / variance)
    for row in means.indices {
      means[row] += gained[row] / variance * surprise
      for column in means.indices {
        covariances[row][column] -= gained[row] * gained[column] / variance
      }
    }
  }

  /// Layouts that were measured.
  private var layoutCount: Int { means.count - NuisanceFactor.allCases.count }

  /// By how much a step's logarithm grows with each value.
  private func slopes(of step: StepSensitivity, _ layout: Int?) -> [Double] {
    step.elasticities + (0..<layoutCount).map { $0 == layout ? 1 : 0 }
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
  ///
  /// - Parameter layout: the number of its layout; nil for one that was not measured.
  public func predicted(_ step: StepSensitivity, layout: Int?) -> Interval {
    let slopes = slopes(of: step, layout)
    let own = layout == nil ? deviations.layout : deviations.run
    return interval(
      dot(slopes, means), dot(slopes, product(slopes)) + own * own, times: step.step)
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
