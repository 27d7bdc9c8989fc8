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

  /// From how many times a message's start on its bytes decide what a rate is: beside each other the two differ by
  /// 0.3 % there.
  private static let fromStarts = 3.0

  /// - Parameter rate: takes up what is found.
  func rates(_ rate: inout Double?) throws(Unfittable) -> FittedPart {
    guard own.count >= 3 || way.way == .adapter else { throw tooFew }
    guard largest >= 65_536 else {
      throw Unfittable(
        what: title,
        reason: "no message of 64 KiB or more: smaller ones do not show what a link carries")
    }
    let free = line(beside: true)
    let decided =
      own.count < 3
      ? own : own.filter { $0.first.bytes >= Self.fromStarts * free.start * free.rate }
    guard !decided.isEmpty else {
      throw Unfittable(
        what: title,
        reason:
          "starts decide at every size up to \(sizeText(largest)): larger messages show what a "
          + "link carries")
    }
    let all = halved(decided)
    let fitted = all.filter(\.isFitted).map(\.element)
    let fastest = fitted.map { $0.first.bytes / $0.seconds }.max() ?? way.nominal
    let values = LeastSquares().fit(
      from: [min(max(fastest, way.rates.lowerBound), way.rates.upperBound)], within: [way.rates]
    ) { values in fitted.map { Double.log($0.first.bytes / values[0] / $0.seconds) } }
    let found = values[0]
    rate = found
    var part = part(all, start: 0, rate: found) { cluster throws(ConfigurationError) in
      (0, try way.written(in: cluster).rate)
    }
    part.constants = [way.constant(ofRate: found, part.points)]
    part.remarks = leftOut(
      own.filter { $0.first.bytes < (decided.first?.first.bytes ?? 0) }, "below",
      decided.first?.first.bytes, "starts decide there, of which this test tells nothing")
    return part
  }

  // MARK: Latencies

  /// Up to which share of the start bytes may take.
  private static let ofStart = 1.0 / 8

  /// - Parameter known: what a test of rates found.
  func latencies(_ known: Double?) throws(Unfittable) -> FittedPart {
    guard own.count >= 3 else { throw tooFew }
    let free = line(beside: false)
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
    var part = part(all, start: values[0], rate: rate) {
      cluster throws(ConfigurationError) in try way.written(in: cluster)
    }
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
    var part = part(all, start: values[0], rate: values[1]) {
      cluster throws(ConfigurationError) in try way.written(in: cluster)
    }
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
  ///
  /// With many messages under way starts lie beside bytes, and the longer of the two counts, rounded where they are
  /// alike; else one follows the other.
  private func line(beside: Bool) -> (start: Double, rate: Double) {
    func seconds(_ one: MeasuredMessage, _ start: Double, _ rate: Double) -> Double {
      guard beside else { return one.seconds(start, rate) }
      return Double.pow(Double.pow(start, 4) + Double.pow(one.bytes / rate, 4), 0.25)
    }
    let fastest = own.map { $0.first.bytes / $0.seconds }.max() ?? 1
    let values = LeastSquares().fit(from: [own.first?.seconds ?? 1e-6, max(fastest, 1)]) { values in
      own.map { Double.log(seconds($0.first, values[0], values[1]) / $0.seconds) }
    }
    return (values[0], values[1])
  }

  private func part(
    _ all: [(element: EqualRows<MeasuredMessage>, isFitted: Bool)], start: Double, rate: Double,
    _ written:
      @escaping @Sendable (Cluster) throws(ConfigurationError) -> (start: Double, rate: Double)
  ) -> FittedPart {
    let points = all.flatMap { one, isFitted in
      one.points(
        series: title, size: one.first.bytes, .bytes, predicted: one.first.seconds(start, rate),
        isFitted: isFitted)
    }
    let rows = all.map(\.element)
    let sizes = rows.map(\.first.bytes)
    return FittedPart(
      title: title, constants: [], points: points, undetermined: [],
      extrapolated: "below \(sizeText(sizes.min() ?? 0)) and above \(sizeText(sizes.max() ?? 0))"
    ) { cluster throws(ConfigurationError) in
      let (start, rate) = try written(cluster)
      return rows.flatMap { $0.forEachRow($0.first.seconds(start, rate)) }
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
