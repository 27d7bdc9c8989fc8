import Clusters
import Costs

/// A row of some file: what it measures, and how long that took.
protocol MeasuredRow: Sendable {
  associatedtype Thing: Hashable

  /// What is measured: rows of equal things ought to say the same.
  var thing: Thing { get }
  /// The same in words, `all-gather over 16 ranks, 1 MiB`.
  var thingName: String { get }
  var seconds: Double { get }
  var place: MeasuredPlace { get }
}

/// Rows of one thing, which count as one measurement with the mean of their times.
///
/// Each of them is a point of its own beside what is predicted, so that a residual is one of what files hold.
struct EqualRows<Row: MeasuredRow> {
  var rows: [Row]

  var first: Row { rows[0] }
  var seconds: Double { rows.reduce(0) { $0 + $1.seconds } / Double(rows.count) }

  /// A prediction of the thing, for each row.
  func forEachRow(_ prediction: Double) -> [Double] {
    Array(repeating: prediction, count: rows.count)
  }

  /// Each row beside what is predicted of the thing.
  func points(
    series: String, size: Double, _ unit: FittedPoint.Unit, predicted: Double, isFitted: Bool
  ) -> [FittedPoint] {
    rows.map {
      FittedPoint(
        series: series, place: $0.place, size: size, unit: unit, measured: $0.seconds,
        predicted: predicted, isFitted: isFitted)
    }
  }
}

extension EqualRows: Sendable {}

extension Array where Element: MeasuredRow {
  /// Rows of equal things together, in the order of each thing's first.
  var byThing: [EqualRows<Element>] {
    var places: [Element.Thing: Int] = [:]
    var found: [EqualRows<Element>] = []
    for row in self {
      if let place = places[row.thing] {
        found[place].rows.append(row)
      } else {
        places[row.thing] = found.count
        found.append(EqualRows(rows: [row]))
      }
    }
    return found
  }
}

// MARK: What measures the same

extension MeasuredCollective: MeasuredRow {
  struct Thing: Hashable {
    var kind: CollectiveCell.Kind
    var ranks: Int
    var nodes: Int?
    var bytes: Double
  }

  var thing: Thing { Thing(kind: kind, ranks: ranks, nodes: nodes, bytes: bytes) }
  var thingName: String { "\(kind.rawValue) over \(ranks) ranks, \(sizeText(bytes))" }
}

extension MeasuredMessage: MeasuredRow {
  struct Thing: Hashable {
    var quantity: Quantity
    var way: Way
    var starts: Int
    var bytes: Double
  }

  var thing: Thing { Thing(quantity: quantity, way: way, starts: starts, bytes: bytes) }
  var thingName: String {
    let carrier = way == .adapter ? "adapters" : "messages \(way.rawValue)"
    return "\(quantity.rawValue) of \(carrier), \(sizeText(bytes))"
  }
  /// Of a rate what each message takes.
  var seconds: Double { quantity == .latency ? value : bytes / value }
}

extension MeasuredProduct: MeasuredRow {
  struct Thing: Hashable {
    var library: MatmulLibrary
    var shape: MatmulShape
  }

  var thing: Thing { Thing(library: library, shape: shape) }
  var thingName: String {
    let groups = shape.rows.count > 1 ? "\(shape.rows.count) x " : ""
    return "product by \(library.rawValue), \(groups)\(shape.rows.max() ?? 0) x \(shape.columns) x "
      + "\(shape.depth)"
  }
}

extension MeasuredAttention: MeasuredRow {
  struct Thing: Hashable {
    var library: AttentionLibrary
    var pass: AttentionCell.Pass
    var shape: AttentionShape
  }

  var thing: Thing { Thing(library: library, pass: cell.pass, shape: cell.shape) }
  var thingName: String {
    "attention \(cell.pass.rawValue) by \(library.rawValue), \(cell.shape.queries) tokens"
  }
  var seconds: Double { cell.measuredSeconds }
}

extension MeasuredExchange: MeasuredRow {
  struct Thing: Hashable {
    var shape: ExchangeShape
    var multiprocessors: Int
  }

  var thing: Thing { Thing(shape: shape, multiprocessors: multiprocessors) }
  var thingName: String {
    "\(name) over \(shape.ranks) ranks on \(multiprocessors) multiprocessors"
  }
}

extension MeasuredStream: MeasuredRow {
  struct Thing: Hashable {
    var kernel: StreamingClass
    var bytes: Double
    var shape: String
  }

  var thing: Thing { Thing(kernel: kernel, bytes: bytes, shape: shape) }
  var thingName: String { "\(kernel.rawValue), \(shape.isEmpty ? sizeText(bytes) : shape)" }
}
