import Calibration
import Foundation

/// What this machine's ranks take, as data: `calibrate --here --json`.
public struct HereFigures: Encodable, Sendable {
  /// A class of kernels, or a way of messages, in a state of the machine.
  public struct Part: Encodable, Sendable {
    public var name: String
    public var ranks: Int
    public var active: Int
    public var startSeconds: Double
    /// What is left out takes no time.
    public var flopsPerSecond: Double?
    public var bytesPerSecond: Double?
    public var weightBytesPerSecond: Double?
    public var secondsPerRow: Double?
    public var shapes: Int
    public var meanError: Double
    public var largestError: Double
    /// Whether the errors are those of shapes that were not fitted.
    public var isPredicted: Bool

    init(_ part: HereFit.Part) {
      (name, ranks, active) = (part.name, part.ranks, part.active)
      startSeconds = part.constants[0]
      func rate(_ index: Int) -> Double? {
        part.constants[index] > 0 ? 1 / part.constants[index] : nil
      }
      flopsPerSecond = rate(1)
      bytesPerSecond = rate(2)
      weightBytesPerSecond = rate(3)
      secondsPerRow = part.constants[4] > 0 ? part.constants[4] : nil
      (shapes, isPredicted) = (part.shapes, part.isPredicted)
      (meanError, largestError) = (part.meanError, part.largestError)
    }
  }

  public var processor: String?
  public var cores: String?
  public var kernels: [Part]
  public var messages: [Part]

  public init(_ fit: HereFit) {
    processor = fit.table[fact: "processor"]
    cores = fit.table[fact: "cores"]
    kernels = fit.kernels.map(Part.init)
    messages = fit.messages.map(Part.init)
  }

  /// The page for people, with a line break at its end.
  public var page: String {
    var table = TextTable([.left])
    table.add([
      "kernel", "active", "of ranks", "start us", "GFLOP/s", "GB/s", "weights GB/s", "row ns",
      "shapes", "error %", "largest",
    ])
    for part in kernels { table.add(cells(part)) }
    var text = "CPU ranks of \(processor ?? "this machine"), \(cores ?? "?") cores\n" + table.text()
    text += "  errors: of every second shape, predicted from the others; * of all, fitted\n"
    for part in messages {
      let rate = part.bytesPerSecond.map { String(format: "%.3f GB/s", $0 * 1e-9) } ?? "no bytes"
      text += String(
        format: "  messages %@%@: %.2f us and %@, error %.1f %%, largest %.1f %%\n",
        part.name == "node" ? "inside a node" : "between nodes",
        part.active > 2 ? " beside \(part.active - 2) ranks that compute" : "",
        part.startSeconds * 1e6, rate,
        100 * part.meanError, 100 * part.largestError)
    }
    for part in kernels where part.name == "copy" && part.active == part.ranks {
      guard let rate = part.bytesPerSecond else { continue }
      text += String(
        format: "  memory: %d %@ %.2f GB/s%@, read and written\n", part.ranks,
        part.ranks == 1 ? "rank copies" : "ranks copy", 2e-9 * rate,
        part.ranks == 1 ? "" : " each")
    }
    return text
  }

  private func cells(_ part: Part) -> [String] {
    func text(_ value: Double?, _ factor: Double, _ digits: Int = 2) -> String {
      value.map { String(format: "%.\(digits)f", $0 * factor) } ?? "-"
    }
    return [
      part.name, "\(part.active)", "\(part.ranks)", text(part.startSeconds, 1e6),
      text(part.flopsPerSecond, 1e-9), text(part.bytesPerSecond, 1e-9),
      text(part.weightBytesPerSecond, 1e-9), text(part.secondsPerRow, 1e9), "\(part.shapes)",
      text(part.meanError, 100, 1) + (part.isPredicted ? "" : "*"),
      text(part.largestError, 100, 1),
    ]
  }
}
