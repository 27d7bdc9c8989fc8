import Documents
import Quantities

/// The number formats in which devices multiply matrices.
public enum Precision: String, Hashable, Sendable, CaseIterable {
  case fp8, bf16, fp16, tf32, fp32, mxfp8
}

/// One accelerator, or one CPU rank: how fast it computes and what it can hold.
public struct Device: Hashable, Sendable {
  /// The product's name: `H800 SXM5`.
  public var name: String
  /// Streaming multiprocessors, among which kernels divide their tiles.
  public var multiprocessors: Sourced<Int>
  /// The generation that libraries tell devices by, as NVIDIA numbers it; nil where nobody says.
  public var computeCapability: Sourced<Double>?
  /// Dense peaks at the boost clock, in the order of `Precision.allCases`; only those that exist.
  public var peaks: [Peak]
  /// The clocks, where they are known.
  public var clock: Clock?
  /// The power that the device may draw, from which the clock of a step follows; nil where a clock is given.
  public var powerCap: Sourced<Watts>?
  /// What its work costs in energy, where that is known.
  public var energy: Energy?
  /// How far equal devices lie apart, where that is known.
  public var jitter: Jitter?
  public var memory: Memory
  /// Memory that the thread blocks of one multiprocessor share: it bounds the tiles of products.
  public var sharedMemory: Sourced<ByteCount>?
  /// What joins it to its host's memory, each way; nil where nobody says.
  public var hostLink: LinkRate?
  public var launch: Launch
  /// Constants of the kernels' cost formulas, by names that the room Costs defines.
  public var kernels: KernelParameters
  /// Whether these constants are another device's, to be taken at this one's own peaks.
  public var kernelsAreScaled: Bool
  /// Of a CPU rank: what was measured in place of an accelerator's parts, of which it has none.
  public var processor: Processor?

  /// The dense peak of one precision.
  public struct Peak: Hashable, Sendable {
    public var precision: Precision
    public var rate: Sourced<FLOPsPerSecond>
  }

  /// The clock at which peaks are stated, and the one that sustained matrix products leave.
  public struct Clock: Hashable, Sendable {
    public var boost: Sourced<Frequency>
    public var loaded: Sourced<Frequency>
  }

  /// What the device draws: idle, and for each operation and byte.
  public struct Energy: Hashable, Sendable {
    /// Powered, with nothing to do.
    public var idle: Sourced<Watts>
    /// An operation of FP8 and of 16-bit products at the boost clock; a multiply-add is two.
    public var fp8: Sourced<Joules>?
    public var bf16: Sourced<Joules>
    /// An operation of fused attention, exponentials included; nil for that of products.
    public var attention: Sourced<Joules>?
    /// A byte to or from the device's memory, whatever the clock.
    public var byte: Sourced<Joules>
    /// An operation's energy grows with this power of the clock, as the voltage does that it needs.
    public var exponent: Sourced<Double>
  }

  /// The device's own memory.
  public struct Memory: Hashable, Sendable {
    public var size: Sourced<ByteCount>
    /// What the data sheet says.
    public var bandwidth: Sourced<BytesPerSecond>
    /// What streaming kernels were measured to reach.
    public var reached: Sourced<BytesPerSecond>
  }

  /// What starting a kernel costs.
  public struct Launch: Hashable, Sendable {
    /// Time between the end of a kernel and the start of the next one in a stream that has a
    /// backlog.
    public var gap: Sourced<Seconds>
    /// Time that the host needs to issue one kernel; it shows where kernels are shorter than it.
    public var host: Sourced<Seconds>
    /// The same under a framework that runs operator by operator; nil where it is `host`.
    public var eager: Sourced<Seconds>?
  }

  /// The dense peak at the boost clock; nil where the device has no such arithmetic.
  public func peak(_ precision: Precision) -> FLOPsPerSecond? {
    peaks.first { $0.precision == precision }?.rate.value
  }

  /// The share of the peak that is left at the clock under load; one where clocks are unknown.
  public var loadedShare: Double {
    clock.map { $0.loaded.value / $0.boost.value } ?? 1
  }
}

/// A section of constants, such as a device's `kernels:`: a nested table whose names Costs defines.
///
/// `read()` gives Costs the table with its lines, so that wrong names and values are errors like
/// any other; `entries` lists it for people.
public struct KernelParameters: Hashable, Sendable {
  /// One number or text with its place in the section and where it came from.
  public struct Entry: Hashable, Sendable {
    /// The path below the section: `matmul.fp8.efficiency`, `all-reduce.sizes[2]`.
    public var path: String
    public var text: String
    public var origin: Provenance
  }

  /// The section as it was written; nil where the file has none.
  public let field: Field?
  /// Every value in the order in which it was written.
  public let entries: [Entry]

  /// The place of the section, or of the table that lacks it, for errors.
  public let place: Field

  init(_ table: Table, _ key: TableKey<ConstantKeys>) throws(ConfigurationError) {
    let section = table.field(key)
    let field = section.flatMap { $0.isNull ? nil : $0 }
    self.field = field
    place = field ?? table.field
    var entries: [Entry] = []
    if let field { try Self.collect(try field.table(), prefix: "", into: &entries) }
    self.entries = entries
  }

  /// The section as a table, on which the reader calls `finish()`; nil where the file has none.
  public func read() throws(ConfigurationError) -> Table? {
    try field?.table()
  }

  private static func collect(
    _ table: Table, prefix: String, into entries: inout [Entry]
  ) throws(ConfigurationError) {
    for (key, field) in table.allFields() {
      try collect(field, path: prefix.isEmpty ? key : "\(prefix).\(key)", into: &entries)
    }
  }

  private static func collect(
    _ field: Field, path: String, into entries: inout [Entry]
  ) throws(ConfigurationError) {
    if field.isNull { return }
    if field.isList {
      for (index, item) in try field.items().enumerated() {
        try collect(item, path: "\(path)[\(index)]", into: &entries)
      }
    } else if field.isTable, try !field.table().contains("value") {
      try collect(try field.table(), prefix: path, into: &entries)
    } else if let list = try sourcedList(field) {
      for (index, item) in list.items.enumerated() {
        let text = try item.read(.string)
        entries.append(Entry(path: "\(path)[\(index)]", text: text, origin: list.origin))
      }
    } else {
      let value = try field.read(.sourced(.string))
      entries.append(Entry(path: path, text: value.value, origin: value.origin))
    }
  }

  /// The items of `{value: [...], source: …}`; nil for any other value.
  private static func sourcedList(
    _ field: Field
  ) throws(ConfigurationError) -> (items: [Field], origin: Provenance)? {
    guard field.isTable, let inner = try field.table().field("value"), inner.isList else {
      return nil
    }
    let items = try field.read(
      .sourced(
        Expected(.text("value")) { field throws(ConfigurationError) in
          try field.items()
        }))
    return (items.value, items.origin)
  }
}
