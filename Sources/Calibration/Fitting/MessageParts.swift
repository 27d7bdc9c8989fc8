import Clusters
import Costs
import Documents
import RealModule

/// Fits messages between two ends: adapters straight, and libraries of messages.
///
/// A file has a start and a rate of each way (`MessageWay`), and every comparison is with these two. Sizes that
/// neither of a table's keys decides are left out of it and said: small messages of a test of rates, where starts of
/// many lie beside each other, and large ones of a test of latency whose rate stands in another file or in the base.
struct MessageParts {
  let base: Cluster
  let measured: [MeasuredMessage]
  let facts: MeasurementFacts

  /// The parts, and what could not be fitted.
  func parts() throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    for way in [MeasuredMessage.Way.adapter, .insideNode, .betweenNodes] {
      // What a test of rates says stands in the file for latencies, too.
      var rate: Double?
      for quantity in [MeasuredMessage.Quantity.bandwidth, .latency] {
        let own = measured.filter { $0.way == way && $0.quantity == quantity }.byThing
          .sorted { $0.first.bytes < $1.first.bytes }
        guard let first = own.first else { continue }
        let title =
          way == .adapter
          ? "adapters, \(quantity.rawValue)" : "messages \(way.rawValue), \(quantity.rawValue)"
        do throws(Unfittable) {
          let place = try MessageWay(way, base: base, layers: facts.switchLayers)
          let table = MessageTable(title: title, way: place, own: own)
          let part = try quantity == .bandwidth ? table.rates(&rate) : table.latencies(rate)
          parts.append(part)
        } catch {
          refused.append(
            Unfittable(what: "\(title) (\(first.first.place.file))", reason: error.reason))
        }
      }
    }
    return (parts, refused)
  }
}

extension MeasuredMessage {
  /// What it takes by a start and a rate, with no other message under way.
  fileprivate func seconds(_ start: Double, _ rate: Double) -> Double {
    Double(starts) * start + bytes / rate
  }
}

/// The messages of one test over one way, equal sizes as one.
private struct MessageTable {
  let title: String
  let way: MessageWay
  /// By size.
  let own: [EqualRows<MeasuredMessage>]

  private var largest: Double { own.last?.first.bytes ?? 0 }

  // MARK: Rates

  /// How many times a message's start the bytes of the largest take at least: less shows no rate.
  private static let fromStarts = 3.0

  /// - Parameter rate: takes up what is found.
  func rates(_ rate: inout Double?) throws(Unfittable) -> FittedPart {
    guard own.count >= 3 || way.way == .adapter else { throw tooFew }
    guard largest >= 65_536 else {
      throw Unfittable(
        what: title,
        reason: "no message of 64 KiB or more: smaller ones do not show what a link carries")
    }
    let all = halved(own)
    let stream = MessageStream(
      all.filter(\.isFitted).map { ($0.element.first.bytes, $0.element.seconds) },
      within: way.rates)
    guard largest >= Self.fromStarts * stream.start * stream.rate else {
      throw Unfittable(
        what: title,
        reason:
          "starts decide at every size up to \(sizeText(largest)): larger messages show what a "
          + "link carries")
    }
    rate = stream.rate
    let decided = all.filter { $0.element.first.bytes >= stream.start * stream.rate }
    var part = part(decided, { stream.seconds($0.bytes) }) { one, file in
      var stream = stream
      stream.rate = file.rate
      return stream.seconds(one.bytes)
    }
    part.rate = (way.way, stream.rate)
    part.constants = [way.constant(ofRate: stream.rate, part.points)]
    part.remarks = leftOut(
      own.filter { $0.first.bytes < stream.start * stream.rate }, "below",
      decided.first?.element.first.bytes, "starts decide there, of which this test tells nothing")
    return part
  }

  // MARK: Latencies

  /// Up to which share of the start bytes may take.
  private static let ofStart = 1.0 / 8

  /// - Parameter known: what a test of rates found.
  func latencies(_ known: Double?) throws(Unfittable) -> FittedPart {
    guard own.count >= 3 else { throw tooFew }
    let free = line
    if known == nil, way.way != .adapter, largest >= 65_536, largest >= free.start * free.rate {
      return try both(free)
    }
    let rate = known ?? way.base.rate
    let decided = own.filter { $0.first.bytes <= Self.ofStart * free.start * min(free.rate, rate) }
    guard let last = decided.last else {
      throw Unfittable(
        what: title,
        reason: "no message so small that its start decides: run it with -a, or from 1 B on")
    }
    let all = halved(decided)
    let fitted = all.filter(\.isFitted).map(\.element)
    let values = LeastSquares().fit(
      from: [max(way.starts.lowerBound, min(free.start, way.starts.upperBound))],
      within: [way.starts]
    ) { values in
      fitted.map { Double.log($0.first.seconds(values[0], rate) / $0.seconds) }
    }
    var part = part(
      all, { $0.seconds(values[0], rate) }, { $0.seconds($1.start, $1.rate) })
    part.constants = try way.constants(ofStart: values[0], part.points)
    part.remarks = leftOut(
      own.filter { $0.first.bytes > last.first.bytes }, "above", last.first.bytes,
      "rates decide there, which are "
        + (known == nil
          ? "the base's: a test of bandwidth measures them" : "those of the test of bandwidth"))
    return part
  }

  /// Where nothing else says the rate and messages are large enough to: both keys.
  private func both(
    _ free: (start: Double, rate: Double)
  ) throws(Unfittable) -> FittedPart {
    let all = halved(own)
    let fitted = all.filter(\.isFitted).map(\.element)
    let values = LeastSquares().fit(
      from: [free.start, free.rate], within: [way.starts, way.rates]
    ) { values in
      fitted.map { Double.log($0.first.seconds(values[0], values[1]) / $0.seconds) }
    }
    var part = part(
      all, { $0.seconds(values[0], values[1]) }, { $0.seconds($1.start, $1.rate) })
    part.rate = (way.way, values[1])
    part.constants =
      try way.constants(ofStart: values[0], part.points) + [
        way.constant(ofRate: values[1], part.points)
      ]
    return part
  }

  // MARK: What both have in common

  private var tooFew: Unfittable {
    Unfittable(
      what: title, reason: "\(counted(own.count, "size")); at least 3 are needed: run it with -a")
  }

  /// A start and a rate through all sizes, whatever the file may have: to see which of the two decides where.
  private var line: (start: Double, rate: Double) {
    let fastest = own.map { $0.first.bytes / $0.seconds }.max() ?? 1
    let values = LeastSquares().fit(from: [own.first?.seconds ?? 1e-6, max(fastest, 1)]) { values in
      own.map { Double.log($0.first.seconds(values[0], values[1]) / $0.seconds) }
    }
    return (values[0], values[1])
  }

  /// - Parameters:
  ///   - found: seconds by what was fitted.
  ///   - written: seconds by what a cluster's file says of the way.
  private func part(
    _ all: [(element: EqualRows<MeasuredMessage>, isFitted: Bool)],
    _ found: (MeasuredMessage) -> Double,
    _ written:
      @escaping @Sendable (MeasuredMessage, (start: Double, rate: Double)) -> Double
  ) -> FittedPart {
    let points = all.flatMap { one, isFitted in
      one.points(
        series: title, size: one.first.bytes, .bytes, predicted: found(one.first),
        isFitted: isFitted)
    }
    let rows = all.map(\.element)
    let sizes = rows.map(\.first.bytes)
    let way = way
    return FittedPart(
      title: title, constants: [], points: points, undetermined: [],
      extrapolated: "below \(sizeText(sizes.min() ?? 0)) and above \(sizeText(sizes.max() ?? 0))"
    ) { cluster throws(ConfigurationError) in
      let file = try way.written(in: cluster)
      return rows.flatMap { $0.forEachRow(written($0.first, file)) }
    }
  }

  private func leftOut(
    _ others: [EqualRows<MeasuredMessage>], _ side: String, _ end: Double?, _ why: String
  ) -> [String] {
    guard let first = others.first, let end else { return [] }
    return [
      "\(first.first.place.file): \(title): \(counted(others.count, "size")) \(side) "
        + "\(sizeText(end)) left out of the fit and of its errors: \(why)"
    ]
  }
}
