import Clusters

/// The number format of a product's operands; the sum is always kept in 32 bits.
public enum MatmulPrecision: String, Hashable, Sendable, CaseIterable {
  case fp8, bf16

  /// Bytes of one element of an operand.
  public var bytes: Double { self == .fp8 ? 1 : 2 }
}

extension MatmulLibrary {
  /// The format of its operands.
  public var precision: MatmulPrecision { isFP8 ? .fp8 : .bf16 }
}

/// The constants of one matrix-product library on one device.
public struct MatmulConstants: Hashable, Sendable {
  /// Multiply-adds count as two.
  public var flopsPerClock: Double
  /// Elements of K that one step of the main loop consumes.
  public var stepDepth: Int
  /// Cycles per step beside the products, whatever the tile: barriers and address arithmetic.
  public var stepOverhead: Double
  /// Cycles below which no step gets, however narrow its tile: latency of a load and its barrier.
  public var stepFloor: Double
  /// Cycles of promotion per 128 output elements and 128 of K, in units of one 128-lane add.
  public var promotion: Double
  /// The same in weight gradients, where both operands carry a scale per row and 128 of K.
  public var promotionWeight: Double
  /// The same in input gradients.
  public var promotionInput: Double
  /// Seconds to fill and drain the pipeline for a tile of 128 × 128.
  public var tileOverhead: Double
  /// Bytes per second at which all multiprocessors together write their tiles.
  public var outputRate: Double
  /// The same where tiles are read, added to and written.
  public var accumulationRate: Double
  /// What tensor cores at work leave of the clock at once: a limit that acts within tens of microseconds,
  /// whatever the mean power.
  public var tensorClock: Double
  /// Seconds of a kernel that have the whole clock before.
  public var tensorBurst: Double
  /// Seconds from the kernel's start to its first step, and from its last to its end.
  public var start: Double
  /// Exponent with which compute and memory time join: high is a perfect roofline.
  public var knee: Double
  /// Seconds to add up the parts of a product that is split along K.
  public var splitStart: Double
  /// The sides of the vendor's tiles are multiples of it beside 128; nil: powers of two from 64 to 256.
  public var tileStep: Int?
  /// The largest tile.
  public var maximumTileRows: Int
  public var maximumTileColumns: Int

  init(_ library: MatmulLibrary, from reader: inout NumberReader) throws(NumberTableError) {
    let prefix = "matmul.\(library.rawValue)."
    flopsPerClock = try reader.number(prefix + "flops-per-clock")
    stepDepth = try reader.count(prefix + "step-depth")
    stepOverhead = try reader.number(prefix + "step-overhead", zero: true)
    stepFloor = try reader.number(prefix + "step-floor", zero: true)
    promotion = try reader.number(prefix + "promotion", zero: true)
    promotionWeight = try reader.number(prefix + "promotion-weight", zero: true)
    tileOverhead = try reader.number(prefix + "tile-overhead", zero: true)
    outputRate = try reader.number(prefix + "output-rate")
    func optional(_ name: String) throws(NumberTableError) -> Double? {
      reader.has(prefix + name) ? try reader.number(prefix + name, zero: true) : nil
    }
    promotionInput = try optional("promotion-input") ?? promotion
    accumulationRate = try optional("accumulation-rate") ?? outputRate
    tensorClock = try optional("tensor-clock") ?? 1
    tensorBurst = try optional("tensor-burst") ?? 0
    start = try reader.number(prefix + "start", zero: true)
    knee = try reader.number(prefix + "knee")
    splitStart = try optional("split-start") ?? 0
    tileStep = reader.has(prefix + "tile-step") ? try reader.count(prefix + "tile-step") : nil
    maximumTileRows = try reader.count(prefix + "maximum-tile-rows")
    maximumTileColumns = try reader.count(prefix + "maximum-tile-columns")
  }
}
