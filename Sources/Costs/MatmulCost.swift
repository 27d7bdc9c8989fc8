import Clusters
import RealModule

/// Which product of a linear layer: the three differ in scaling and output.
public enum MatmulPass: String, Hashable, Sendable, CaseIterable {
  case forward, backwardInput, backwardWeight
}

/// A matrix product, or several with one weight shape each (experts): C(m, n) = A(m, k) · B(k, n).
public struct MatmulShape: Hashable, Sendable {
  /// Rows of every group.
  ///
  /// One entry is an ordinary product; empty groups cost nothing.
  public var rows: [Int]
  /// How often every group is there: many equal products are said by one group.
  public var copies = 1
  public var columns: Int
  public var depth: Int
  public var pass: MatmulPass
  /// Adds to what is there instead of writing it.
  public var accumulates: Bool
  /// Bytes of an element of the result that are written, and read where it is added to.
  public var resultBytes: Double

  /// An ordinary product, of 16 bits; weight gradients add to 32 bits unless told otherwise.
  public init(
    m: Int, n: Int, k: Int, pass: MatmulPass = .forward, accumulates: Bool? = nil,
    resultBytes: Double? = nil
  ) {
    self.init(
      rows: [m], columns: n, depth: k, pass: pass, accumulates: accumulates,
      resultBytes: resultBytes)
  }

  /// Grouped products with uneven rows, as experts have them.
  public init(
    rows: [Int], columns: Int, depth: Int, pass: MatmulPass = .forward,
    accumulates: Bool? = nil, resultBytes: Double? = nil
  ) {
    precondition(columns > 0 && depth > 0, "A product needs columns and depth.")
    precondition(rows.allSatisfy { $0 >= 0 }, "Rows cannot be negative.")
    self.rows = rows
    self.columns = columns
    self.depth = depth
    self.pass = pass
    self.accumulates = accumulates ?? (pass == .backwardWeight)
    self.resultBytes = resultBytes ?? (self.accumulates ? 8 : 2)
  }

  /// Multiplications and additions.
  public var flops: Double {
    2 * Double(copies) * Double(rows.reduce(0, +)) * Double(columns) * Double(depth)
  }
}

/// The time of matrix products: tiles in waves over the multiprocessors, each tile a loop over K.
///
/// A tile costs its fill and drain, its steps (tensor-core cycles, promotion of FP8 sums into
/// 32-bit registers, a fixed part) and the writing of its result. Waves are whole: a started wave
/// takes the time of a full one. Compute and memory time join in a rounded roofline. Of the tiles that a
/// library has, those fit whose operands of two steps, one loaded while the other is multiplied, lie in
/// the memory that a multiprocessor's blocks share.
public struct MatmulCost: Sendable {
  private let device: DeviceModel
  private let constants: MatmulConstants
  private let library: MatmulLibrary
  /// Bytes of one element of an operand.
  private let operandBytes: Double

  /// The products of one library on one device; nil where the device has no such library.
  public init?(_ device: DeviceModel, library: MatmulLibrary) {
    guard let constants = device.matmuls[library] else { return nil }
    self.device = device
    self.constants = constants
    self.library = library
    operandBytes = library.precision.bytes
  }

  /// The products of a format whose kernels are not described: as efficient at every shape as a library's,
  /// at `rate` times its speed, with operands of another size.
  public init?(
    _ device: DeviceModel, as library: MatmulLibrary, rate: Double, operandBytes: Double
  ) {
    guard var constants = device.matmuls[library] else { return nil }
    constants.flopsPerClock *= rate
    constants.stepOverhead /= rate
    constants.stepFloor /= rate
    self.device = device
    self.constants = constants
    self.library = library
    self.operandBytes = operandBytes
  }

  /// Seconds of one kernel on some of the multiprocessors.
  ///
  /// Complexity: the number of tile shapes times the number of groups.
  public func cost(
    _ shape: MatmulShape, multiprocessors: Int? = nil, clock: ClockState = .loaded
  ) -> Cost {
    let count = multiprocessors ?? device.multiprocessors
    precondition(count > 0, "A kernel needs a multiprocessor.")
    guard shape.rows.contains(where: { $0 > 0 }) else { return .none }
    let whole = device.clock(clock)
    let memory = memoryBytes(shape) / device.memoryBandwidth
    var tiling = bestTiling(shape, multiprocessors: count, clock: whole)
    var joined = joined(tiling.seconds, memory)
    if constants.tensorClock < 1 {
      let burst = min(1, constants.tensorBurst / (constants.start + joined))
      let share = constants.tensorClock + (1 - constants.tensorClock) * burst
      tiling = bestTiling(shape, multiprocessors: count, clock: whole * share)
      joined = self.joined(tiling.seconds, memory)
    }
    let limit: Limit
    if constants.start > joined {
      limit = .launch
    } else if memory > tiling.seconds {
      limit = .memory
    } else {
      let filled = Double(tiling.tiles) / Double(tiling.waves * count)
      limit = filled < 0.75 ? .waveQuantisation : .compute
    }
    return Cost(seconds: constants.start + joined, limitedBy: limit)
  }

  /// The time of computation and of memory together: a rounded roofline.
  private func joined(_ computing: Double, _ memory: Double) -> Double {
    let (longer, shorter) = (max(computing, memory), min(computing, memory))
    let knee = constants.knee
    return longer * Double.pow(1 + Double.pow(shorter / longer, knee), 1 / knee)
  }

  /// The tile that the library takes, as (rows, columns, parts of K), with its waves.
  public func tiling(
    _ shape: MatmulShape, multiprocessors: Int, clock: ClockState = .loaded
  ) -> (rows: Int, columns: Int, parts: Int, waves: Int) {
    let best = bestTiling(shape, multiprocessors: multiprocessors, clock: device.clock(clock))
    return (best.rows, best.columns, best.parts, best.waves)
  }
}

extension MatmulCost {
  private struct Tiling {
    var rows: Int
    var columns: Int
    var parts: Int
    var tiles: Int
    var waves: Int
    var seconds: Double
  }

  private func memoryBytes(_ shape: MatmulShape) -> Double {
    let rows = Double(shape.copies * shape.rows.reduce(0, +))
    let groups = Double(shape.copies * shape.rows.count { $0 > 0 })
    let columns = Double(shape.columns)
    let depth = Double(shape.depth)
    let operands = (rows * depth + groups * columns * depth) * operandBytes
    return operands + rows * columns * shape.resultBytes
  }

  private func bestTiling(_ shape: MatmulShape, multiprocessors: Int, clock: Double) -> Tiling {
    var best: Tiling?
    let isSingle = shape.rows.count == 1 && shape.copies == 1
    let parts = library.isVendors && isSingle ? [1, 2, 4, 8] : [1]
    for (rows, columns) in fitting(candidates) {
      for part in parts {
        let next = tiling(
          shape, rows: rows, columns: columns, parts: part, multiprocessors: multiprocessors,
          clock: clock)
        if let known = best, !prefers(next, to: known) { continue }
        best = next
      }
    }
    guard let best else { preconditionFailure("A library has at least one tile.") }
    return best
  }

  /// DeepGEMM takes the fewest waves and then the largest tile, or, where one wave holds them all,
  /// the one that spreads best; the vendor's library is taken to know the fastest.
  private func prefers(_ next: Tiling, to known: Tiling) -> Bool {
    if library.isVendors { return next.seconds < known.seconds }
    if next.waves != known.waves { return next.waves < known.waves }
    if next.waves == 1 { return next.seconds < known.seconds }
    return next.rows * next.columns > known.rows * known.columns
  }

  /// The tiles of which two steps fit into shared memory; the smallest one if none does.
  private func fitting(_ tiles: [(Int, Int)]) -> [(Int, Int)] {
    guard let size = device.sharedMemory else { return tiles }
    let bytesOfSide = 2 * Double(constants.stepDepth) * library.precision.bytes
    let fitting = tiles.filter { Double($0.0 + $0.1) * bytesOfSide <= size }
    return fitting.isEmpty ? tiles.sorted { $0.0 + $0.1 < $1.0 + $1.1 }.prefix(1) + [] : fitting
  }

  private var candidates: [(Int, Int)] {
    if library.isVendors {
      return Self.vendorTiles(step: constants.tileStep).filter {
        $0.0 <= constants.maximumTileRows && $0.1 <= constants.maximumTileColumns
      }
    }
    let columns = Array(stride(from: 16, through: constants.maximumTileColumns, by: 16))
    return [64, 128].filter { $0 <= constants.maximumTileRows }
      .flatMap { rows in columns.map { (rows, $0) } }
  }

  private func tiling(
    _ shape: MatmulShape, rows: Int, columns: Int, parts: Int, multiprocessors: Int, clock: Double
  ) -> Tiling {
    let rowTiles = shape.copies * shape.rows.reduce(0) { $0 + ceilingDivision($1, rows) }
    let tiles = rowTiles * ceilingDivision(shape.columns, columns) * parts
    let waves = ceilingDivision(tiles, multiprocessors)
    let steps = ceilingDivision(shape.depth, constants.stepDepth * parts)
    let area = Double(rows * columns)
    let depth = Double(constants.stepDepth)
    let promotion =
      switch shape.pass {
      case .forward: constants.promotion
      case .backwardInput: constants.promotionInput
      case .backwardWeight: constants.promotionWeight
      }
    let cycles =
      2 * area * depth / constants.flopsPerClock + promotion * area * depth / (128 * 128)
      + constants.stepOverhead
    let step = max(cycles, constants.stepFloor) / clock
    let writing =
      shape.resultBytes / (shape.accumulates ? constants.accumulationRate : constants.outputRate)
    // A split along K writes and reads 32-bit partial sums.
    let parting = parts > 1 ? 8 / constants.outputRate : 0
    // The tiles of a wave share the way to memory.
    let output = area * (writing + parting) * Double(ceilingDivision(tiles, waves))
    let tile = constants.tileOverhead * area / 16_384 + Double(steps) * step + output
    return Tiling(
      rows: rows, columns: columns, parts: parts, tiles: tiles, waves: waves,
      seconds: Double(waves) * tile + (parts > 1 ? constants.splitStart : 0))
  }

  /// What the vendor's library has: without a step powers of two, as CUTLASS had them for Ampere; with one
  /// sides of 128 by every multiple of it from 64 to 256, as the names of cuBLASLt's kernels on Hopper say.
  private static func vendorTiles(step: Int?) -> [(Int, Int)] {
    guard let step else {
      return [
        (256, 128), (128, 256), (128, 128), (256, 64), (64, 256), (128, 64), (64, 128), (64, 64),
      ]
    }
    let sides = Array(stride(from: 64, through: 256, by: step))
    return [(64, 64)] + sides.map { (128, $0) }
      + sides.filter { $0 != 128 }.map { ($0, 128) }
  }
}

func ceilingDivision(_ value: Int, _ divisor: Int) -> Int {
  (value + divisor - 1) / divisor
}
