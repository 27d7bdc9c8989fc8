import Documents
import Models
import Planning
import Quantities

/// What `sluice memory` shows: a row for each way to train.
public struct MemoryPage: Encodable, Sendable {
  /// One way, in bytes on the fullest device.
  public struct Row: Encodable, Sendable {
    public var zeroStage: Int
    /// Layers are run again as a whole.
    public var recomputes: Bool
    public var loraRank: Int?
    public var parametersBytes: Int
    public var gradientsBytes: Int
    public var optimizerBytes: Int
    public var activationsBytes: Int
    public var communicationBytes: Int
    public var peakBytes: Int
    public var fits: Bool
    /// The smallest number of devices that holds it.
    public var fewestDevices: Int?
  }

  public var model: String
  public var parameters: Int
  public var device: String
  public var devices: Int
  public var limitBytes: Int
  public var reserveBytes: Int
  public var sequenceTokens: Int
  public var microbatchSequences: Int
  public var rows: [Row]
  public var notices: [String]
  public var inputs: Inputs

  /// Reads a table.
  public init(_ table: MemoryTable, of model: Architecture, device: String, _ inputs: Inputs) {
    self.model = model.name
    parameters = model.parameterCounts.total
    self.device = device
    devices = table.devices
    limitBytes = table.rows.first?.memory.limit ?? 0
    reserveBytes = table.rows.first?.memory.reserve ?? 0
    sequenceTokens = table.sequenceLength
    microbatchSequences = table.microbatchSize
    rows = table.rows.map { row in
      let memory = row.memory
      return Row(
        zeroStage: row.way.zeroStage, recomputes: row.way.recomputes, loraRank: row.way.lora,
        parametersBytes: memory.parameters, gradientsBytes: memory.gradients,
        optimizerBytes: memory.optimizer, activationsBytes: memory.activations,
        communicationBytes: memory.communication, peakBytes: memory.peak, fits: memory.fits,
        fewestDevices: row.fewest)
    }
    notices = model.notices(sequence: table.sequenceLength)
    self.inputs = inputs
  }
}

extension MemoryPage {
  /// The page, of at most 100 columns.
  public var text: String {
    var table = TextTable([.left, .left, .left])
    table.add(
      "ZeRO", "recompute", "train", "params", "grads", "optim.", "activ.", "peak", "fits",
      "fewest devices")
    for row in rows {
      var cells = [
        "\(row.zeroStage)", row.recomputes ? "full" : "none",
        row.loraRank.map { "LoRA \($0)" } ?? "all",
      ]
      cells += [
        row.parametersBytes, row.gradientsBytes, row.optimizerBytes, row.activationsBytes,
        row.peakBytes,
      ].map(Self.gibibytes)
      cells += [row.fits ? "yes" : "no", row.fewestDevices.map { grouped($0) } ?? "none"]
      table.add(cells)
    }
    let cluster = inputs.cluster.map { " of \($0.name)" } ?? ""
    let lines = [
      "\(model), \(parameterText(parameters)) parameters, on \(counted(devices, "device"))\(cluster) ("
        + "\(device), \(Self.gibibytes(limitBytes)) GiB, \(Self.gibibytes(reserveBytes)) of it reserved)",
      "data parallel, AdamW, BF16 with 32-bit gradients and master weights; "
        + "\(counted(microbatchSequences, "sequence")) of \(grouped(sequenceTokens)) tokens a device",
      "GiB on the fullest device at its peak, from the programs that simulate walks",
    ]
    let notes = notices.flatMap { wrapped("note: \($0)", width: 98) }
    let head = lines.flatMap { wrapped($0, width: 100) }
    return (head + inputs.lines(width: 100) + [""]).map { $0 + "\n" }.joined()
      + table.text(width: 100) + "\n" + notes.map { $0 + "\n" }.joined()
  }

  private static func gibibytes(_ bytes: Int) -> String {
    fixed(Double(bytes) / 0x1p30, decimals: 1)
  }
}
