import Clusters

extension DeviceModel {
  /// The cost model of a cluster's device: its described hardware with the kernel constants that were
  /// fitted on that kind of chip.
  ///
  /// Throws `NumberTableError` where a constant is missing.
  public init(_ device: Device) throws(NumberTableError) {
    let base = Self.kernelTable(of: device)
    var described: [NumberTable.Entry] = [
      .init(
        "device.multiprocessors", Double(device.multiprocessors.value), source: "cluster file"),
      .init(
        "memory.bandwidth-reached", device.memory.reached.value.value, source: "cluster file"),
      .init("launch.gap", device.launch.gap.value.value, source: "cluster file"),
    ]
    // Rates of streaming kernels were measured at the memory that the table was fitted on.
    if let known = base["memory.bandwidth-reached"], known > 0 {
      let share = device.memory.reached.value.value / known
      described += base.entries.filter { $0.name.hasPrefix("streaming.") && $0.value > 1e9 }
        .map { .init($0.name, $0.value * share, source: $0.source) }
    }
    try self.init(name: device.name, table: base.overridden(by: NumberTable(described)))
  }

  /// The constants of the kind of chip.
  private static func kernelTable(of device: Device) -> NumberTable {
    if device.name.contains("A100") {
      return device.name.contains("PCIe") ? a100PCIeTable : a100SXMTable
    }
    return h800Table
  }
}
