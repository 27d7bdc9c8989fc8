import Clusters
import Costs
import Documents
import Quantities

/// What the base's hardware allows: rates beyond it, or next to none of it, are times or sizes in another unit.
struct HardwareLimits {
  let base: Cluster

  /// Peaks are stated at a clock that devices exceed for moments.
  private static let most = 1.1
  /// In-switch sums move 9/8 of a buffer where rings move 7/4, by which rates on the bus are counted.
  private static let mostOnBus = 1.1 * (2 * 7.0 / 8) / (1 + 1.0 / 8)
  /// Large products and messages that reach less than this of the hardware measure something else.
  private static let least = 1.0 / 500
  private static let largeProduct = 1e11
  private static let largeMessage = 1e6
  /// Small messages are starts, which take microseconds, through a processor's network tens of them.
  private static let smallMessage = 8192.0
  private static let longestStart = 1e-3
  /// Messages of one pair are timed to a few per cent.
  private static let mostOfMessages = 1.02
  /// Exchanges are tuned for their rate: the slowest that was published reaches a third.
  private static let leastOfExchanges = 1.0 / 100

  /// - Throws: `ConfigurationError` with the line of the first measurement that no such hardware makes.
  func check(_ all: Measurements) throws(ConfigurationError) {
    for product in all.products { try check(product) }
    for collective in all.collectives { try check(collective) }
    for message in all.messages { try check(message) }
    for exchange in all.exchanges { try check(exchange) }
    for value in all.values { try check(value) }
  }

  /// Copies that are faster than what they pass through are of another device.
  private func check(_ one: MeasuredValue) throws(ConfigurationError) {
    let limits = [
      "device.memory.reached": (base.device.memory.bandwidth, "memory of \(base.name)"),
      "device.host-link.reached": (base.device.hostLink?.bandwidth, "host link of \(base.name)"),
    ]
    guard let (limit, what) = limits[one.path], let limit, let rate = BytesPerSecond.read(one.text),
      rate > limit.value.value
    else { return }
    throw ConfigurationError(
      file: one.place?.file ?? base.name, line: one.place?.line, value: one.text,
      rule: "is more than the \(what) has, \(limit.value): --base NAME for another cluster")
  }

  private func check(_ one: MeasuredProduct) throws(ConfigurationError) {
    let format: Precision = one.library.isFP8 ? .fp8 : .bf16
    guard let peak = base.device.peaks.first(where: { $0.precision == format })?.rate.value.value
    else { return }
    let rate = one.shape.flops / one.seconds
    let isFast = rate > Self.most * peak
    guard isFast || one.shape.flops >= Self.largeProduct && rate < Self.least * peak else { return }
    throw contradiction(
      one.place,
      "\(figures(one.shape.flops / 1e9)) GFLOP in \(Seconds(one.seconds)) are "
        + "\(figures(rate / 1e12)) TFLOPS",
      "the device of \(base.name) has, \(figures(peak / 1e12))", isFast, "time")
  }

  private func check(_ one: MeasuredCollective) throws(ConfigurationError) {
    let link = base.node.link.rate.bandwidth.value.value
    let adapter = base.node.adapters?.rate.bandwidth.value.value
    let isSpread = (one.nodes ?? 1) > 1
    let fastest = isSpread && one.ranks == one.nodes ? adapter ?? link : link
    let slowest = isSpread ? min(link, adapter ?? link) : link
    let rate = one.bytes * NCCLTests.busFactor(one.kind, one.ranks) / one.seconds
    let isFast = rate > Self.mostOnBus * fastest
    guard isFast || one.bytes >= Self.largeMessage && rate < Self.least * slowest else { return }
    throw contradiction(
      one.place,
      "\(figures(one.bytes / 1e6)) MB in \(Seconds(one.seconds)) are \(figures(rate / 1e9)) GB/s "
        + "on each rank's link",
      "\(base.name) has, \(figures((isFast ? fastest : slowest) / 1e9))", isFast, "size or the time"
    )
  }

  /// A message's bytes over its whole time are less than its link carries, whatever it waits for.
  private func check(_ one: MeasuredMessage) throws(ConfigurationError) {
    let adapter = one.way == .insideNode ? nil : base.node.adapters?.rate.bandwidth.value
    let limit = adapter ?? base.node.link.rate.bandwidth.value
    let rate = one.bytes / one.seconds
    let isSlow = one.bytes >= Self.largeMessage && rate < Self.least * limit.value
    guard !isSlow else {
      throw contradiction(
        one.place, "\(figures(one.bytes / 1e6)) MB at \(figures(rate / 1e9)) GB/s",
        "the \(adapter == nil ? "link" : "adapter") of \(base.name) has, "
          + figures(limit.value / 1e9), false,
        one.quantity == .latency ? "time" : "rate")
    }
    guard one.bytes > Self.smallMessage || one.seconds < Self.longestStart else {
      throw ConfigurationError(
        file: one.place.file, line: one.place.line,
        rule:
          "\(sizeText(one.bytes)) in \(Seconds(one.seconds)): no link of a cluster takes a millisecond to "
          + "start, the \(one.quantity == .latency ? "time" : "rate") is in another unit")
    }
    guard rate > Self.mostOfMessages * limit.value else { return }
    throw ConfigurationError(
      file: one.place.file, line: one.place.line,
      rule:
        "\(figures(rate / 1e9)) GB/s are more than the \(adapter == nil ? "link" : "adapter") of "
        + "\(base.name) has, \(limit): --base NAME for another cluster")
  }

  private func check(_ one: MeasuredExchange) throws(ConfigurationError) {
    let link = base.node.link.rate.bandwidth.value.value
    let perNode = Double(one.shape.ranksPerNode)
    // A rank's rows for itself are counted and pass no link.
    let counted = perNode > 1 ? perNode / (perNode - 1) : .infinity
    try check(
      one, one.linkRate, fastest: Self.most * counted * link,
      slowest: one.shape.crossesNodes ? 0 : Self.leastOfExchanges * link, of: link, "link")
    guard one.shape.crossesNodes, let said = one.networkRate, one.shape.reach.nodes > 0,
      let adapters = base.node.adapters
    else { return }
    // So are rows for its own node on the way to others.
    let adapter = adapters.rate.bandwidth.value.value
    let crossing = said * one.shape.networkRows / (Double(one.shape.tokens) * one.shape.reach.nodes)
    let share = min(1, Double(adapters.count.value) / Double(base.node.devices.value))
    try check(
      one, crossing, fastest: Self.most * adapter, slowest: Self.leastOfExchanges * adapter * share,
      of: adapter, "adapter")
  }

  private func check(
    _ one: MeasuredExchange, _ rate: Double, fastest: Double, slowest: Double, of limit: Double,
    _ what: String
  ) throws(ConfigurationError) {
    guard rate > fastest || rate < slowest else { return }
    throw contradiction(
      one.place, "\(one.name) at \(figures(rate / 1e9)) GB/s on each rank's \(what)",
      "\(base.name) has, \(figures(limit / 1e9))", rate > fastest, "rate", least: "hundredth")
  }

  private func contradiction(
    _ place: MeasuredPlace, _ rate: String, _ limit: String, _ isFast: Bool, _ what: String,
    least: String = "five-hundredth"
  ) -> ConfigurationError {
    ConfigurationError(
      file: place.file, line: place.line,
      rule: "\(rate), \(isFast ? "more than" : "less than a \(least) of what") \(limit): the "
        + "\(what) is in another unit, or --base NAME for another cluster")
  }
}
