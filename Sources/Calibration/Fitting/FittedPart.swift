import Clusters
import Documents

/// A constant that measurements gave: its place in a cluster's file, its value and where it came from.
public struct FittedConstant: Hashable, Sendable {
  /// `node.collectives.ring.simple.link-share`.
  public var path: String
  /// As a file has it, with its unit; nil where a key of the base must not hold any more.
  public var text: String?
  public var source: String
  /// Whether nothing was measured: `source` says why the value was taken.
  public var isAssumed = false
}

/// A measurement beside what the fitted constants say.
public struct FittedPoint: Hashable, Sendable {
  /// What it belongs to: `all-reduce over 16 ranks on 2 nodes`.
  public var series: String
  public var place: MeasuredPlace
  /// Bytes, or operations, of which the series has several.
  public var size: Double
  public var unit: Unit
  /// What is compared, in seconds.
  public var measured: Double
  public var predicted: Double
  /// Whether constants were fitted to it; else it was predicted from the others.
  public var isFitted: Bool

  public enum Unit: String, Hashable, Sendable {
    case bytes = "B"
    case operations = "FLOP"
  }

  /// Predicted over measured, less one.
  public var error: Double { predicted / measured - 1 }
}

/// What was fitted to one kind of measurement.
public struct FittedPart: Sendable {
  public var title: String
  public var constants: [FittedConstant]
  public var points: [FittedPoint]
  /// Keys that these measurements do not decide: they stay the base's.
  public var undetermined: [String]
  /// Which sizes and groups follow from the formulas alone.
  public var extrapolated: String
  /// Seconds of each point by a cluster's constants.
  var predict: @Sendable (Cluster) throws(ConfigurationError) -> [Double]
  /// Bytes a second of messages without an end, where they were fitted, and of which.
  var rate: (way: MeasuredMessage.Way, bytes: Double)?
  /// What was left out of the comparison, and why.
  var remarks: [String] = []

  /// The points that constants did not see.
  public var held: [FittedPoint] { points.filter { !$0.isFitted } }

  /// How far fitted rows may lie from what was fitted to them: benchmarks scatter by less than the first on average,
  /// and what is off by more than the second says nothing of the cluster.
  private static let warned = 0.1
  private static let refusedFrom = 0.25

  /// The fitted rows that are farthest from what was fitted to them, in words.
  private var worstFitted: String {
    let fitted = points.filter(\.isFitted).sorted { abs($0.error) > abs($1.error) }
    return fitted.prefix(3).map {
      "\($0.place.file):\($0.place.line) (\(figures($0.measured * 1e6)) us, put at "
        + "\(figures($0.predicted * 1e6)))"
    }.joined(separator: ", ")
  }

  private var fittedMean: Double { Self.residual(points.filter(\.isFitted)).mean }

  /// Why nothing is written of rows that their own constants do not describe; nil where these do.
  var misfit: Unfittable? {
    guard fittedMean > Self.refusedFrom, let first = points.first else { return nil }
    return Unfittable(
      what: "\(title) (\(first.place.file))",
      reason:
        "the rows that were fitted are \(percentText(fittedMean)) off on average, \(worstFitted): no "
        + "constants describe them; more sizes, or another --base")
  }

  /// A line where they describe them badly.
  var warning: String? {
    guard fittedMean > Self.warned else { return nil }
    return
      "\(title): the rows that were fitted are themselves \(percentText(fittedMean)) off on average, "
      + "\(worstFitted): constants do not describe them well"
  }

  /// The mean and the worst of the points' errors, as shares.
  public static func residual(_ points: [FittedPoint]) -> (mean: Double, worst: Double) {
    let errors = points.map { abs($0.error) }
    guard let worst = errors.max() else { return (0, 0) }
    return (errors.reduce(0, +) / Double(errors.count), worst)
  }

  /// What stands behind a constant: file, rows, and how well the others are predicted.
  static func source(_ points: [FittedPoint]) -> String {
    var files: [String] = []
    for point in points where !files.contains(point.place.file) { files.append(point.place.file) }
    let fitted = points.filter(\.isFitted)
    let held = points.filter { !$0.isFitted }
    let (mean, worst) = residual(held.isEmpty ? fitted : held)
    return
      "fitted to \(fitted.count) of \(points.count) rows of \(files.joined(separator: ", ")): the "
      + (held.isEmpty ? "rows" : "others")
      + " within \(percentText(mean)) on average, \(percentText(worst)) at worst"
  }
}

extension FittedPart {
  /// The same for a constant whose key has a range: the fit would go on where it ends.
  static func source(
    _ points: [FittedPoint], of value: Double, in range: ClosedRange<Double>
  ) -> String {
    // As near as a file's four figures tell.
    let end =
      value >= range.upperBound * 0.99995
      ? "; the most that the key takes"
      : value <= range.lowerBound * 1.00005 ? "; the least that the key takes" : ""
    return source(points) + end
  }
}

/// A share as a percentage with one decimal.
func percentText(_ share: Double) -> String {
  guard share.isFinite, share < 1e6 else { return "no" }
  return "\((share * 1000).rounded() / 10) %"
}

/// Bytes as people say them: `1 MiB`, `96 B`.
func sizeText(_ bytes: Double) -> String {
  let units = ["B", "KiB", "MiB", "GiB", "TiB"]
  var value = bytes
  var place = 0
  while value >= 1024, place + 1 < units.count {
    value /= 1024
    place += 1
  }
  return "\(value == value.rounded() ? "\(Int(value))" : figures(value)) \(units[place])"
}

/// What cannot be fitted, and what is missing for it.
public struct Unfittable: Error, Hashable, Sendable {
  public var what: String
  public var reason: String
}
