import Clusters
import Documents
import Quantities

extension DeviceModel {
  /// The cost model of a cluster's device: its described hardware with the constants of its
  /// `kernels:` section.
  ///
  /// Products run at most at the peak of their format, streaming kernels at most at the memory's nominal
  /// bandwidth.
  ///
  /// Throws `ConfigurationError` where a constant is missing, unknown or impossible.
  public init(_ device: Device) throws(ConfigurationError) {
    guard device.processor == nil else {
      throw device.kernels.place.error(
        "describes CPU ranks (device.processor), which simulate and train --predict alone take")
    }
    let section = try device.kernels.constants("kernels")
    var entries = try Self.hardware(device)
    let keys = KernelKeys()
    let products = try section.table(keys.matmul)
    for key in keys.matmul.libraries {
      guard let table = try products.optionalTable(key.table) else { continue }
      let library = try MatmulConstants.entries(key, table, on: device)
      // Another device's products in a format that this one does not have stay there.
      if device.kernelsAreScaled, device.peak(of: key.library.precision) == nil { continue }
      entries += library
    }
    entries += try AttentionConstants.entries(
      section.table(keys.attention), keys.attention.keys, on: device)
    entries += try StreamingConstants.entries(
      section.table(keys.streaming), keys.streaming.keys, device.memory)
    if let operators = try section.optionalTable(keys.operators) {
      entries += try StreamingConstants.entries(operators, keys.operators.keys, device.memory)
    }
    try section.finish()
    do throws(NumberTableError) {
      try self.init(name: device.name, table: NumberTable(entries))
    } catch {
      throw section.error(error.description)
    }
    guard !matmuls.isEmpty else {
      throw products.error(
        "needs the constants of at least one of "
          + MatmulLibrary.allCases.map(\.rawValue).joined(separator: ", "))
    }
    if let power = PowerModel(device), power.cap != nil {
      loadedClock = clockOfProducts(power)
    }
  }

  private static func hardware(_ device: Device) throws(ConfigurationError) -> [NumberTable.Entry] {
    guard let clock = device.clock else {
      throw device.kernels.place.error("the cost formulas need device.clock beside device.kernels")
    }
    func entry(_ name: String, _ value: Double, _ origin: Provenance) -> NumberTable.Entry {
      .init(name, value, source: origin.description)
    }
    var entries = [
      entry(
        "device.multiprocessors", Double(device.multiprocessors.value),
        device.multiprocessors.origin),
      entry("clock.boost", clock.boost.value.value, clock.boost.origin),
      entry("clock.loaded", clock.loaded.value.value, clock.loaded.origin),
      entry(
        "memory.bandwidth-reached", device.memory.reached.value.value,
        device.memory.reached.origin),
      entry("launch.gap", device.launch.gap.value.value, device.launch.gap.origin),
    ]
    if let size = device.sharedMemory {
      entries.append(entry("device.shared-memory", Double(size.value.bytes), size.origin))
    }
    return entries
  }
}

extension Device {
  /// The peak that bounds products of a precision; 16-bit formats stand for each other.
  public func peak(of precision: MatmulPrecision) -> FLOPsPerSecond? {
    precision == .fp8 ? peak(.fp8) : peak(.bf16) ?? peak(.fp16)
  }

  /// FLOP per clock and multiprocessor of kernels whose file says so: at most those of the peak.
  ///
  /// More than 2 % above it is no rounding but constants of another chip, which are refused; of constants that
  /// are said to be another's, the peak is taken.
  fileprivate func flopsPerClock(
    _ stated: Double, _ precision: MatmulPrecision, _ table: Table, _ key: Key<Sourced<Double>>
  ) throws(ConfigurationError) -> Double {
    guard let peak = peak(of: precision), let clock else { return stated }
    let cycles = Double(multiprocessors.value) * clock.boost.value.value
    if kernelsAreScaled { return peak.value / cycles }
    guard stated * cycles <= 1.02 * peak.value else {
      throw table.error(
        "gives \(FLOPsPerSecond(stated * cycles)) on \(multiprocessors.value) multiprocessors at "
          + "\(clock.boost.value), more than device.peak.\(precision.rawValue), \(peak): these are "
          + "the constants of another chip", at: key)
    }
    return min(stated, peak.value / cycles)
  }
}

extension MatmulConstants {
  fileprivate static func entries(
    _ key: LibraryKey, _ table: Table, on device: Device
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    let keys = key.table.keys
    var section = ConstantSection(table, prefix: "matmul.\(key.library.rawValue).")
    var rate = 1.0
    try section.read(keys.flopsPerClock) { stated throws(ConfigurationError) in
      let own = try device.flopsPerClock(stated, key.library.precision, table, keys.flopsPerClock)
      if device.kernelsAreScaled { rate = own / stated }
      return own
    }
    try section.read(keys.constants)
    try section.readIfPresent(keys.optionalConstants)
    return section.entries.map { entry in
      guard [".step-overhead", ".step-floor"].contains(where: entry.name.hasSuffix) else {
        return entry
      }
      // A step is as long a part of its products as on the other device.
      return .init(entry.name, entry.value / rate, source: entry.source)
    }
  }
}

extension AttentionConstants {
  fileprivate static func entries(
    _ table: Table, _ keys: AttentionKeys, on device: Device
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    var section = ConstantSection(table, prefix: "attention.")
    try section.read(keys.flopsPerClock) { stated throws(ConfigurationError) in
      try device.flopsPerClock(stated, .bf16, table, keys.flopsPerClock)
    }
    try section.read(keys.constants)
    var entries = section.entries
    for key in keys.libraries {
      guard let library = try table.optionalTable(key.table) else { continue }
      let widths = try widths(library, key)
      guard !widths.isEmpty else {
        throw library.error("needs the table of at least one width of heads")
      }
      entries += widths
    }
    var isFlat = false
    for key in keys.shares where try table.optional(key) != nil { isFlat = true }
    let hasTables = entries.count > section.entries.count
    if !hasTables || isFlat {
      var shares = ConstantSection(table, prefix: "attention.")
      try shares.read(keys.shares)
      entries += shares.entries
    }
    return try entries + flatLibrary(table, keys, hasShares: isFlat)
  }

  /// Whose the shares are that no table of a library holds; by its number, for the table of numbers.
  private static func flatLibrary(
    _ table: Table, _ keys: AttentionKeys, hasShares: Bool
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    guard let library = try table.optional(keys.library) else { return [] }
    guard hasShares, library != .unfused else {
      throw table.error(
        library == .unfused
          ? "unfused attention has no kernels of its own"
          : "there is no forward-share that it is of",
        at: keys.library)
    }
    let index = AttentionLibrary.allCases.firstIndex(of: library) ?? 0
    return [.init("attention.library", Double(index), source: library.rawValue)]
  }

  private static func widths(
    _ table: Table, _ key: AttentionLibraryKey
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    var entries: [NumberTable.Entry] = []
    for width in key.table.keys.widths {
      guard let kernels = try table.optionalTable(width.table) else { continue }
      var section = ConstantSection(
        kernels, prefix: "attention.\(key.library.rawValue).width-\(width.width).")
      try section.read(width.table.keys.constants)
      entries += section.entries
    }
    return entries
  }
}

extension StreamingConstants {
  /// Rates were measured where memory reaches `measured-at`; they follow what the device's own memory
  /// reaches, up to its nominal bandwidth.
  fileprivate static func entries(
    _ table: Table, _ keys: StreamingKeys, _ memory: Device.Memory
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    let measured = try table.required(keys.measuredAt).value
    let scale = memory.reached.value.value / measured
    let nominal = memory.bandwidth.value.value
    var section = ConstantSection(table, prefix: "streaming.")
    for key in keys.rates { try section.read(key) { min($0 * scale, nominal) } }
    try section.read(keys.times)
    try section.readIfPresent([keys.shortest])
    return section.entries
  }

  /// Those of operators and casts, likewise.
  fileprivate static func entries(
    _ table: Table, _ keys: OperatorKeys, _ memory: Device.Memory
  ) throws(ConfigurationError) -> [NumberTable.Entry] {
    let scale = memory.reached.value.value / (try table.required(keys.measuredAt).value)
    let nominal = memory.bandwidth.value.value
    var section = ConstantSection(table, prefix: "streaming.")
    for key in keys.rates { try section.read(key) { min($0 * scale, nominal) } }
    try section.readIfPresent(keys.laterRates) { min($0 * scale, nominal) }
    return section.entries
  }
}
