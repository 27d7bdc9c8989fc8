import Clusters

/// One accelerator as the cost formulas see it: what it is, and the constants of its kernels.
///
/// Everything comes from a cluster file, by way of one table of named numbers, so that no efficiency hides in a formula.
/// Not modelled: power as a function of the data, memory refresh, error correction.
public struct DeviceModel: Hashable, Sendable {
  /// The product's name: `H800 SXM5`.
  public var name: String
  /// Every constant with its source, as given.
  public var table: NumberTable
  /// Streaming multiprocessors.
  public var multiprocessors: Int
  /// Bytes of memory that the blocks of a multiprocessor share; nil where nobody says.
  public var sharedMemory: Double?
  /// Hertz at which a short kernel on a cool chip runs.
  public var boostClock: Double
  /// Hertz that sustained training leaves.
  public var loadedClock: Double
  /// Bytes per second that streaming kernels reach.
  public var memoryBandwidth: Double
  /// Seconds between two kernels of a stream that has a backlog.
  public var launchGap: Double
  /// The matrix products of each library that the table describes.
  public var matmuls: [MatmulLibrary: MatmulConstants]
  public var attention: AttentionConstants
  public var streaming: StreamingConstants

  /// Reads a table of named numbers in SI units.
  ///
  /// Throws `NumberTableError` where a name is missing, unknown or its value impossible.
  public init(name: String, table: NumberTable) throws(NumberTableError) {
    var reader = NumberReader(table)
    self.name = name
    self.table = table
    multiprocessors = try reader.count("device.multiprocessors")
    sharedMemory =
      reader.has("device.shared-memory") ? try reader.number("device.shared-memory") : nil
    boostClock = try reader.number("clock.boost")
    loadedClock = try reader.number("clock.loaded")
    memoryBandwidth = try reader.number("memory.bandwidth-reached")
    launchGap = try reader.number("launch.gap", zero: true)
    matmuls = [:]
    for library in MatmulLibrary.allCases where reader.has("matmul.\(library.rawValue).") {
      matmuls[library] = try MatmulConstants(library, from: &reader)
    }
    attention = try AttentionConstants(from: &reader)
    streaming = try StreamingConstants(from: &reader)
    try reader.finish()
  }

  /// The clock of a state.
  public func clock(_ state: ClockState) -> Double {
    state == .boost ? boostClock : loadedClock
  }

  /// The libraries of matrix products of a precision that the table describes, oldest first.
  public func libraries(for precision: MatmulPrecision) -> [MatmulLibrary] {
    MatmulLibrary.allCases.filter { $0.precision == precision && matmuls[$0] != nil }
  }

  /// The library that multiplies matrices of a precision: the one that was chosen, if it is for this
  /// precision, else the newest whose scales belong to blocks, or to tensors; nil where the table has none.
  public func library(
    for precision: MatmulPrecision, scalesTensors: Bool = false, chosen: MatmulLibrary? = nil
  ) -> MatmulLibrary? {
    guard let chosen, chosen.precision == precision else {
      return libraries(for: precision).last { $0.scalesTensors == (scalesTensors && $0.isFP8) }
    }
    return matmuls[chosen] == nil ? nil : chosen
  }
}

/// How hot the chip is: micro-benchmarks run at boost, training at the clock that power leaves.
public enum ClockState: String, Hashable, Sendable, CaseIterable {
  case boost, loaded
}
