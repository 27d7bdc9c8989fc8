import Documents
import Quantities

/// A step, or the best plan of a search, over one or two values of the files.
public struct SweepFigures: Encodable, Sendable {
  /// A key with the values that it takes, in their order.
  public struct Axis: Encodable, Sendable {
    public var key: String
    public var values: [String]

    public init(key: String, values: [String]) { (self.key, self.values) = (key, values) }
  }

  /// What came out at one place.
  public struct Point: Encodable, Sendable {
    /// A value of each axis.
    public var values: [String]
    public var stepSeconds: Double?
    public var tokensPerSecondPerGpu: Double?
    public var mfu: Double?
    public var peakBytes: Int?
    public var fits: Bool?
    public var usDollarsPerTrillionTokens: Double?
    public var gpus: Int?
    public var name: String?
    public var plan: Document?
    /// Why there is no step.
    public var reason: String?

    public init(values: [String]) { self.values = values }

    private enum CodingKeys: String, CodingKey {
      case values, stepSeconds, tokensPerSecondPerGpu, mfu, peakBytes, fits
      case usDollarsPerTrillionTokens, gpus, name, plan, reason
    }
  }

  public var axes: [Axis]
  public var points: [Point]
  /// What follows a value that is moved, a sentence each.
  public var notes: [String]
  /// Missing where it is swept.
  public var usDollarsPerGpuHour: Double?
  /// The best plan was searched at every place.
  public var isSearched: Bool
  public var inputs: Inputs

  /// Figures of places in the order of the axes, the last one fastest.
  public init(
    axes: [Axis], points: [Point], notes: [String], price: Double?, isSearched: Bool,
    _ inputs: Inputs
  ) {
    precondition(points.count == axes.reduce(1) { $0 * $1.values.count }, "Every place is there.")
    (self.axes, self.points, self.notes, self.inputs) = (axes, points, notes, inputs)
    usDollarsPerGpuHour = price
    self.isSearched = isSearched
  }
}

extension SweepFigures {
  /// The price of a device, of which no step hangs.
  public static let priceKey = "cluster.price"
}

extension SweepFigures.Point {
  /// What a GPU costs here, by its tokens and theirs.
  fileprivate var usDollarsPerGpuHour: Double? {
    guard let usDollarsPerTrillionTokens, let tokensPerSecondPerGpu else { return nil }
    return usDollarsPerTrillionTokens * tokensPerSecondPerGpu * 3600 / 1e12
  }

  /// Reads a simulated step.
  public mutating func read(_ figures: StepFigures) {
    stepSeconds = figures.stepSeconds
    tokensPerSecondPerGpu = figures.tokensPerSecondPerGpu
    mfu = figures.mfu.causal
    peakBytes = figures.memoryBytes.peak
    fits = figures.fits
    usDollarsPerTrillionTokens = figures.usDollarsPerTrillionTokens
    gpus = figures.ranks
    name = figures.plan
  }

  /// Reads the best plan of a search.
  public mutating func read(_ item: SearchFigures.Item) {
    stepSeconds = item.stepSeconds
    tokensPerSecondPerGpu = item.tokensPerSecondPerGpu
    mfu = item.mfu
    peakBytes = item.memoryBytes.peak
    fits = item.fits
    usDollarsPerTrillionTokens = item.usDollarsPerTrillionTokens
    gpus = item.gpus
    name = item.name
    plan = item.plan
  }
}

// MARK: - Findings

extension SweepFigures {
  /// Places that follow one another along the first axis, by the value of the second.
  private var rows: [[Point]] {
    let inner = axes.dropFirst().reduce(1) { $0 * $1.values.count }
    return (0..<inner).map { place in
      stride(from: place, to: points.count, by: inner).map { points[$0] }
    }
  }

  /// What changes from place to place, a sentence each.
  var findings: [String] { changes + worth }

  /// What of the best plan changes between two neighbouring values.
  private var changes: [String] {
    rows.flatMap { row -> [String] in
      zip(row, row.dropFirst()).compactMap { before, after in
        guard let old = before.plan, let new = after.plan else { return nil }
        let known = old.leaves
        let parts = new.leaves.compactMap { leaf -> String? in
          guard leaf.keyPath != "name" else { return nil }
          let text = known.first { $0.keyPath == leaf.keyPath }?.text
          return text == leaf.text ? nil : "\(leaf.keyPath) \(text ?? "none") becomes \(leaf.text)"
        }
        guard !parts.isEmpty else { return nil }
        let rest = after.values.dropFirst().map { ", at \($0)" }.joined()
        return "From \(before.values[0]) to \(after.values[0])\(rest): "
          + parts.joined(separator: ", ") + "."
      }
    }
  }

  /// What a GPU of the last place may cost where one of the first costs what it does; nothing of GPUs that
  /// differ in their price alone.
  private var worth: [String] {
    guard let key = axes.first?.key, key.hasPrefix("cluster."), key != Self.priceKey else {
      return []
    }
    return rows.compactMap { row in
      guard let first = row.first, let last = row.last, row.count > 1,
        let slow = first.tokensPerSecondPerGpu, let fast = last.tokensPerSecondPerGpu,
        let price = usDollarsPerGpuHour ?? first.usDollarsPerGpuHour
      else { return nil }
      let rest = first.values.dropFirst().map { " (\($0))" }.joined()
      return "At \(last.values[0])\(rest) a GPU does \(fixed(fast / slow, decimals: 3)) times the "
        + "tokens of one at \(first.values[0]): as cheap a token at US$ "
        + "\(fixed(price * fast / slow, decimals: 2)) an hour as there at US$ "
        + "\(fixed(price, decimals: 2))."
    }
  }

  /// A line for each place.
  public var csv: String {
    var lines = [
      (axes.map(\.key) + [
        "step_seconds", "mfu", "tokens_per_second_per_gpu", "peak_bytes", "fits",
        "us_dollars_per_trillion_tokens", "gpus", "name", "reason",
      ]).map(PlanComparison.cell).joined(separator: ",")
    ]
    for point in points {
      func text(_ value: (some CustomStringConvertible)?) -> String { value?.description ?? "" }
      let fields =
        point.values + [
          text(point.stepSeconds), text(point.mfu), text(point.tokensPerSecondPerGpu),
          text(point.peakBytes), text(point.fits), text(point.usDollarsPerTrillionTokens),
          text(point.gpus), text(point.name), text(point.reason),
        ]
      lines.append(fields.map(PlanComparison.cell).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
