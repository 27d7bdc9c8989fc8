import Clusters
import Documents
import Models
import Plans
import Simulation

/// What a step of a model holds on each device without a plan file: data ranks alone, by ZeRO stage,
/// recomputation and adapters, from the programs that `simulate` walks.
public struct MemoryTable: Sendable {
  /// One way to train.
  public struct Way: Hashable, Sendable {
    public var zeroStage: Int
    /// Layers are run again as a whole.
    public var recomputes: Bool
    /// The rank of low-rank adapters, which alone are trained; nil where the model is.
    public var lora: Int?

    public init(zeroStage: Int, recomputes: Bool, lora: Int?) {
      self.zeroStage = zeroStage
      self.recomputes = recomputes
      self.lora = lora
    }
  }

  /// What it holds.
  public struct Row: Sendable {
    public var way: Way
    /// Of the fullest device.
    public var memory: StepReport.Memory
    /// The smallest number of devices that holds it, whatever it is a power of; nil where none of the cluster's
    /// does.
    public var fewest: Int?
  }

  public let devices: Int
  public let sequenceLength: Int
  public let microbatchSize: Int
  public private(set) var rows: [Row] = []
  private let architecture: Architecture
  private let cluster: Cluster

  /// Estimates every way.
  ///
  /// - Parameters:
  ///   - devices: data ranks.
  ///   - sequenceLength: tokens of each sequence.
  ///   - microbatchSize: sequences that a device takes at a time, and in a step.
  /// - Throws: `ConfigurationError`, `PlanError`.
  public init(
    _ architecture: Architecture, on cluster: Cluster, devices: Int, sequenceLength: Int,
    microbatchSize: Int, ways: [Way]
  ) throws {
    self.architecture = architecture
    self.cluster = cluster
    self.devices = devices
    self.sequenceLength = sequenceLength
    self.microbatchSize = microbatchSize
    for way in ways {
      let memory = try memory(of: way, devices: devices)
      rows.append(Row(way: way, memory: memory, fewest: try fewest(of: way, memory)))
    }
  }

  /// The plan of a way on so many devices, as its file would say it.
  private func plan(of way: Way, devices: Int) throws -> Plan {
    var text = """
      name: memory
      data-parallel: \(devices)
      global-batch: \(devices * microbatchSize)
      microbatch-size: \(microbatchSize)
      sequence-length: \(sequenceLength)
      zero-stage: \(way.zeroStage)

      """
    if way.recomputes { text += "recompute: full\n" }
    if let rank = way.lora { text += "lora: {rank: \(rank)}\n" }
    return try Plan.read(
      Document(text: text, name: "memory"), name: "memory", world: .devices(cluster.rankCount))
  }

  private func memory(of way: Way, devices: Int) throws -> StepReport.Memory {
    try PlannedStep(
      architecture: architecture, cluster: cluster, plan: plan(of: way, devices: devices)
    ).report().memory
  }

  /// The smallest number of devices on which a way fits; nil if it does on none.
  ///
  /// Of what is divided each device holds a part, the less the more there are: where the line of
  /// `held + divided / devices` meets the room the search begins, and the programs of each number decide.
  private func fewest(of way: Way, _ known: StepReport.Memory) throws -> Int? {
    let alone = try devices == 1 ? known : memory(of: way, devices: 1)
    if alone.fits { return 1 }
    guard way.zeroStage > 0, cluster.rankCount > 1 else { return nil }
    let most = cluster.rankCount
    let spread = try devices == most ? known : memory(of: way, devices: most)
    guard spread.fits else { return nil }
    let divided = Double(alone.peak - spread.peak) / (1 - 1 / Double(most))
    let held = Double(alone.peak) - divided
    let room = Double(alone.limit - alone.reserve)
    let line = room > held ? divided / (room - held) : Double(most)
    // The way fits on `enough` devices and not on `few`.
    var (few, enough) = (1, most)
    if known.fits { enough = min(enough, devices) } else { few = max(few, devices) }
    var (probe, stride) = (Int(min(line, Double(most)).rounded(.up)), 1)
    var hasTurned = false
    var wasEnough: Bool?
    while enough - few > 1 {
      let count = hasTurned ? (few + enough) / 2 : max(few + 1, min(enough - 1, probe))
      let fits = try memory(of: way, devices: count).fits
      if fits { enough = count } else { few = count }
      hasTurned = hasTurned || (wasEnough.map { $0 != fits } ?? false)
      wasEnough = fits
      probe = fits ? count - stride : count + stride
      stride *= 2
    }
    return enough
  }
}
