import Clusters
import Documents

extension DeviceModel {
  /// The cost model of a cluster's device: its described hardware with the constants of its
  /// `kernels:` section.
  ///
  /// Throws `ConfigurationError` where a constant is missing, unknown or impossible.
  public init(_ device: Device) throws(ConfigurationError) {
    let section = try device.kernels.constants("kernels")
    let reached = device.memory.reached
    var entries: [NumberTable.Entry] = [
      .init(
        "device.multiprocessors", Double(device.multiprocessors.value),
        source: device.multiprocessors.origin.description)
    ]
    guard let clock = device.clock else {
      throw device.kernels.place.error("the cost formulas need device.clock beside device.kernels")
    }
    entries += [
      .init("clock.boost", clock.boost.value.value, source: clock.boost.origin.description),
      .init("clock.loaded", clock.loaded.value.value, source: clock.loaded.origin.description),
      .init(
        "memory.bandwidth-reached", reached.value.value, source: reached.origin.description),
      .init(
        "launch.gap", device.launch.gap.value.value,
        source: device.launch.gap.origin.description),
    ]
    let products = try section.table("matmul")
    for library in MatmulLibrary.allCases where products.contains(library.rawValue) {
      entries += try MatmulConstants.entries(library, products.table(library.rawValue))
    }
    entries += try AttentionConstants.entries(section.table("attention"))
    entries += try StreamingConstants.entries(
      section.table("streaming"), reached: reached.value.value)
    try section.finish()
    do throws(NumberTableError) {
      try self.init(name: device.name, table: NumberTable(entries))
    } catch {
      throw section.error(error.description)
    }
  }
}

extension MatmulConstants {
  fileprivate static func entries(
    _ library: MatmulLibrary, _ table: Table
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    var section = ConstantSection(table, prefix: "matmul.\(library.rawValue).")
    try section.read([
      ("flops-per-clock", .positive), ("step-depth", .count), ("step-overhead", .number),
      ("step-floor", .number), ("promotion", .number), ("promotion-weight", .number),
      ("tile-overhead", .time), ("output-rate", .rate), ("start", .time), ("knee", .positive),
      ("maximum-tile-rows", .count), ("maximum-tile-columns", .count),
    ])
    return section.entries
  }
}

extension AttentionConstants {
  fileprivate static func entries(_ table: Table) throws(ConfigurationError) -> [NumberTable.Entry]
  {
    var section = ConstantSection(table, prefix: "attention.")
    try section.read([
      ("flops-per-clock", .positive), ("forward-share", .positive),
      ("forward-share-wide", .positive), ("backward-share", .positive),
      ("backward-share-wide", .positive), ("forward-tail", .number), ("backward-tail", .number),
      ("block-rows", .count), ("start", .time),
    ])
    return section.entries
  }
}

extension StreamingConstants {
  /// Rates were measured where memory reaches `measured-at`; they follow the device's own memory.
  fileprivate static func entries(
    _ table: Table, reached: Double
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    let measured = try table.required("measured-at", .sourced(ConstantKind.rate.expected)).value
    var rates = ConstantSection(table, prefix: "streaming.")
    for kernel in StreamingClass.allCases { try rates.read(kernel.rawValue, .rate) }
    var times = ConstantSection(table, prefix: "streaming.")
    try times.read([
      ("ramp", .time), ("routing-per-token", .time), ("index-per-token", .time),
    ])
    let scaled = rates.entries.map { entry in
      NumberTable.Entry(entry.name, entry.value * (reached / measured), source: entry.source)
    }
    return scaled + times.entries
  }
}
