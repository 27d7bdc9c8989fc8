import Clusters
import Documents

/// Constants of CPU ranks from what was measured on this machine.
public struct HereFit: Sendable {
  /// A formula, and how well it says what it has not seen.
  public struct Part: Sendable {
    public var name: String
    public var ranks: Int
    public var active: Int
    /// Seconds of an operation, a FLOP, a byte, a byte of weights, a row.
    public var constants: [Double]
    /// Shapes that were measured.
    public var shapes: Int
    /// The mean and the largest relative error of every second shape, predicted from the others; of all shapes
    /// where there are fewer than four.
    public var meanError: Double
    public var largestError: Double
    public var isPredicted: Bool
  }

  public var kernels: [Part] = []
  public var messages: [Part] = []
  public let table: HereTable

  /// The fewest shapes that a formula is fitted to.
  public static let fewestShapes = 3

  /// Fits every class in every state.
  ///
  /// - Throws: `ConfigurationError` where there is too little of something, with what is missing.
  public init(_ table: HereTable) throws(ConfigurationError) {
    self.table = table
    struct State: Hashable {
      var kernel: ProcessorKernel
      var ranks: Int
      var active: Int
    }
    guard !table.kernels.isEmpty else {
      throw ConfigurationError(file: table.file, rule: "has no kernels: there is nothing to fit")
    }
    let states = Dictionary(grouping: table.kernels) {
      State(kernel: $0.kernel, ranks: $0.ranks, active: $0.active)
    }
    for ranks in Set(table.kernels.map(\.ranks)).sorted() {
      for kernel in ProcessorKernel.allCases {
        let known = states.keys.filter { $0.ranks == ranks && $0.kernel == kernel }
        guard !known.isEmpty else { continue }
        guard known.contains(where: { $0.active == ranks }) else {
          throw ConfigurationError(
            file: table.file,
            rule: "\(kernel.rawValue) with \(ranks) ranks lacks rows with all of them active")
        }
        for active in known.map(\.active).sorted() {
          let rows = states[State(kernel: kernel, ranks: ranks, active: active)] ?? []
          kernels.append(
            try Self.part(
              kernel.rawValue, ranks, active, rows.map { ($0.work, $0.seconds) }, table.file))
        }
      }
    }
    for way in Processor.Way.allCases {
      let ways = Dictionary(grouping: table.messages.filter { $0.way == way }, by: \.active)
      for (active, rows) in ways.sorted(by: { $0.key < $1.key }) {
        messages.append(
          try Self.part(
            way.rawValue, rows[0].ranks, active,
            rows.map { ([0, $0.bytes, 0, 0], $0.seconds) }, table.file, ofMeans: true))
      }
    }
  }

  private static func part(
    _ name: String, _ ranks: Int, _ active: Int, _ rows: [([Double], Double)], _ file: String,
    ofMeans: Bool = false
  ) throws(ConfigurationError) -> Part {
    // Equal shapes count once, with the time in their middle.
    let shapes = Dictionary(grouping: rows, by: \.0)
      .map { ($0.key, median($0.value.map(\.1))) }
      .sorted { ($0.0.lexicographicallyPrecedes($1.0)) }
    guard shapes.count >= fewestShapes else {
      throw ConfigurationError(
        file: file,
        rule:
          "\(name) with \(active) of \(ranks) ranks active has \(shapes.count) shapes, and a formula "
          + "needs at least \(fewestShapes): measure more of them")
    }
    // Half as many constants as shapes at most, for the fit that is checked as for the one that counts.
    let most = max(1, (shapes.count + 1) / 2)
    let all = fit(shapes, most: most, ofMeans)
    var part = Part(
      name: name, ranks: ranks, active: active, constants: all, shapes: shapes.count,
      meanError: 0, largestError: 0, isPredicted: shapes.count >= 4)
    var seen = shapes
    var held = shapes
    if part.isPredicted {
      seen = shapes.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
      held = shapes.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    }
    let tried = part.isPredicted ? fit(seen, most: most, ofMeans) : all
    let errors = held.map { abs(seconds($0.0, tried) / $0.1 - 1) }
    part.meanError = errors.reduce(0, +) / Double(errors.count)
    part.largestError = errors.max() ?? 0
    return part
  }

  private static func fit(
    _ shapes: [([Double], Double)], most: Int, _ ofMeans: Bool
  ) -> [Double] {
    let (rows, values) = (shapes.map { [1] + $0.0 }, shapes.map(\.1))
    return ofMeans
      ? NonNegativeFit.ofMeans(rows, values, most: most).coefficients
      : NonNegativeFit(rows, values, most: most).coefficients
  }

  private static func seconds(_ work: [Double], _ constants: [Double]) -> Double {
    zip([1] + work, constants).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
