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

  /// - Throws: `ConfigurationError` with the line of the first measurement that no such hardware makes.
  func check(_ all: Measurements) throws(ConfigurationError) {
    for product in all.products { try check(product) }
    for collective in all.collectives { try check(collective) }
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

  private func contradiction(
    _ place: MeasuredPlace, _ rate: String, _ limit: String, _ isFast: Bool, _ what: String
  ) -> ConfigurationError {
    ConfigurationError(
      file: place.file, line: place.line,
      rule: "\(rate), \(isFast ? "more than" : "less than a five-hundredth of what") \(limit): the "
        + "\(what) is in another unit, or --base NAME for another cluster")
  }
}
