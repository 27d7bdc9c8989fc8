import Clusters
import Costs
import Documents
import RealModule

/// Fits messages between two ends: adapters straight, and libraries of messages.
struct MessageParts {
  let base: Cluster
  let measured: [MeasuredMessage]
  let facts: MeasurementFacts

  /// The parts, and what could not be fitted.
  func parts() throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    for way in [MeasuredMessage.Way.adapter, .insideNode, .betweenNodes] {
      for quantity in [MeasuredMessage.Quantity.latency, .bandwidth] {
        let own = measured.filter { $0.way == way && $0.quantity == quantity }
          .sorted { $0.bytes < $1.bytes }
        guard let first = own.first else { continue }
        do throws(Unfittable) {
          parts.append(try part(way, quantity, own))
        } catch {
          refused.append(
            Unfittable(what: "\(error.what) (\(first.place.file))", reason: error.reason))
        }
      }
    }
    for part in parts { try check(part) }
    return (parts, refused)
  }

  /// A message's time by what it starts with and a rate; with many under way starts lie beside bytes, and the
  /// longer of the two counts, rounded where they are alike.
  private static func seconds(
    _ bytes: Double, start: Double, rate: Double, _ quantity: MeasuredMessage.Quantity
  ) -> Double {
    guard quantity == .bandwidth else { return start + bytes / rate }
    return Double.pow(Double.pow(start, 4) + Double.pow(bytes / rate, 4), 0.25)
  }

  private func part(
    _ way: MeasuredMessage.Way, _ quantity: MeasuredMessage.Quantity, _ own: [MeasuredMessage]
  ) throws(Unfittable) -> FittedPart {
    let title =
      way == .adapter
      ? "adapters, \(quantity.rawValue)" : "messages \(way.rawValue), \(quantity.rawValue)"
    let sizes = Set(own.map(\.bytes))
    guard sizes.count >= 3 || (quantity == .bandwidth && way == .adapter) else {
      throw Unfittable(
        what: title,
        reason: "\(counted(sizes.count, "size")); at least 3 are needed: run it with -a")
    }
    if quantity == .bandwidth, (sizes.max() ?? 0) < 65_536 {
      throw Unfittable(
        what: title,
        reason: "no message of 64 KiB or more: smaller ones do not show what a link carries")
    }
    let all = halved(own)
    func measured(_ one: MeasuredMessage) -> Double {
      quantity == .latency ? one.value : one.bytes / one.value
    }
    let fitted = all.filter(\.isFitted).map(\.element)
    let first = measured(own[0])
    let fastest = own.map { $0.bytes / measured($0) }.max() ?? 1
    var values = [first, max(fastest, 1)]
    if sizes.count >= 3 {
      values = LeastSquares().fit(from: values, within: ranges(way, quantity)) { values in
        fitted.map {
          Double.log(
            Self.seconds($0.bytes, start: values[0], rate: values[1], quantity) / measured($0))
        }
      }
    } else {
      values[0] = 1e-12
    }
    let (start, rate) = (values[0], values[1])
    let points = all.map { one, isFitted in
      FittedPoint(
        series: title, place: one.place, size: one.bytes, unit: .bytes, measured: measured(one),
        predicted: Self.seconds(one.bytes, start: start, rate: rate, quantity), isFitted: isFitted)
    }
    let predictions = points.map(\.predicted)
    let (least, most) = (sizes.min() ?? 0, sizes.max() ?? 0)
    return FittedPart(
      title: title, constants: try written(way, quantity, own, start, rate, points), points: points,
      undetermined: [],
      extrapolated: "below \(sizeText(least)) and above \(sizeText(most))"
    ) { _ in predictions }
  }

  /// What a start and a rate may be, so that the file may have what follows from them: no rate above the hardware's.
  private func ranges(
    _ way: MeasuredMessage.Way, _ quantity: MeasuredMessage.Quantity
  ) -> [ClosedRange<Double>] {
    let any = Double.leastNormalMagnitude...Double.greatestFiniteMagnitude
    guard quantity == .bandwidth else { return [ConstantKind.time.range, any] }
    let link = way == .insideNode ? base.node.link.rate : base.node.adapters?.rate
    guard let nominal = link?.bandwidth.value.value else { return [any, any] }
    let least = way == .adapter ? ConstantKind.rate.range.lowerBound / nominal : 0.001
    return [any, min(1, least) * nominal...nominal]
  }

  private func written(
    _ way: MeasuredMessage.Way, _ quantity: MeasuredMessage.Quantity, _ own: [MeasuredMessage],
    _ start: Double, _ rate: Double, _ points: [FittedPoint]
  ) throws(Unfittable) -> [FittedConstant] {
    let source = FittedPart.source(points)
    func constant(_ path: String, _ text: String) -> FittedConstant {
      FittedConstant(path: path, text: text, source: source)
    }
    switch (way, quantity) {
    case (.adapter, .bandwidth):
      // Small messages alone may promise more than the adapter has.
      let nominal = base.node.adapters?.rate.bandwidth.value.value ?? rate
      let text = figures(min(rate, nominal) / 1e9, atMost: nominal / 1e9)
      return [constant("node.adapters.reached", "\(text) GB/s")]
    case (.adapter, .latency):
      return try latencies(start, source)
    case (.insideNode, .latency):
      return [constant("node.collectives.direct.link-start", "\(figures(start * 1e6)) us")]
    case (.betweenNodes, .latency):
      return [constant("node.collectives.direct.network-start", "\(figures(start * 1e6)) us")]
    case (.insideNode, .bandwidth):
      let share = rate / base.node.link.rate.bandwidth.value.value
      return [constant("node.collectives.direct.link-share", figures(max(0.001, min(1, share))))]
    case (.betweenNodes, .bandwidth):
      guard let adapters = base.node.adapters else {
        throw Unfittable(what: "messages between nodes", reason: "\(base.name) is a single node")
      }
      let share = rate / adapters.rate.bandwidth.value.value
      return [constant("node.collectives.direct.network-share", figures(max(0.001, min(1, share))))]
    }
  }

  /// The latency that was measured, and those over more and fewer switches moved as far.
  private func latencies(_ seconds: Double, _ source: String) throws(Unfittable) -> [FittedConstant]
  {
    guard let network = base.network else {
      throw Unfittable(what: "adapters, latency", reason: "\(base.name) has no network")
    }
    let names = ["same-leaf", "cross-leaf", "cross-pod"]
    let known = [network.latency.sameLeaf, network.latency.crossLeaf, network.latency.crossPod]
      .compactMap { $0?.value.value }
    let layers = facts.switchLayers ?? (known.count == 1 ? 1 : nil)
    guard let layers else {
      throw Unfittable(
        what: "adapters, latency",
        reason: "the file does not say over how many switches: --through leaf, spine or core")
    }
    guard layers <= known.count else {
      throw Unfittable(
        what: "adapters, latency",
        reason: "\(base.name) has \(counted(known.count, "layer")) of switches, not \(layers)")
    }
    let moved = seconds - known[layers - 1]
    return zip(names, known).enumerated().map { place, one in
      let value = place == layers - 1 ? seconds : min(1, max(1e-8, one.1 + moved))
      return FittedConstant(
        path: "network.latency.\(one.0)", text: "\(figures(value * 1e6)) us",
        source: place == layers - 1
          ? source : "as far from what was measured over \(names[layers - 1]) as in \(base.name)",
        isAssumed: place != layers - 1)
    }
  }

  /// Refuses rates above what the base's hardware has.
  private func check(_ part: FittedPart) throws(ConfigurationError) {
    guard part.title.hasSuffix("bandwidth"), let point = part.points.last else { return }
    let isInside = part.title.contains("inside")
    let (name, nominal) =
      isInside
      ? ("link", base.node.link.rate.bandwidth.value)
      : ("adapter", base.node.adapters?.rate.bandwidth.value ?? base.node.link.rate.bandwidth.value)
    let rate = part.points.map { $0.size / $0.measured }.max() ?? 0
    guard rate <= 1.02 * nominal.value else {
      throw ConfigurationError(
        file: point.place.file, line: point.place.line,
        rule:
          "\(figures(rate / 1e9)) GB/s are more than the \(name) of \(base.name) has, \(nominal): "
          + "--base NAME for another cluster")
    }
  }
}
