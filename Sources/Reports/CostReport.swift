import Clusters
import Costs
import Documents
import Quantities

/// How long one operation takes on a cluster, and what decides it.
public struct CostReport: Encodable, Sendable {
  /// The operation with its sizes.
  public var operation: String
  public var cluster: String
  public var seconds: Double
  /// Floating-point operations over time, in 10^12 per second; nil for communication.
  public var tflops: Double?
  /// Bytes over time, in 10^9 per second; nil for computation.
  public var gigabytesPerSecond: Double?
  /// The mechanism that takes most of the time.
  public var limitedBy: String
  /// What people also ask, by name, in the order in which it is printed.
  public var details: [Detail]
  /// What was chosen by default.
  public var assumptions: [String]
  /// What it was computed from; nil until somebody says.
  public var inputs: Inputs?

  /// One further figure.
  public struct Detail: Encodable, Sendable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// An operation that computes: `flops` multiplications and additions.
  public init(
    _ operation: String, on cluster: Cluster, _ cost: Cost, flops: Double, details: [Detail] = [],
    assumptions: [String] = []
  ) {
    self.init(operation, on: cluster, cost, details, assumptions)
    tflops = cost.seconds > 0 ? flops / cost.seconds / 1e12 : 0
  }

  /// An operation that moves `bytes`; `movingSeconds` is the time to which the rate refers.
  public init(
    _ operation: String, on cluster: Cluster, _ cost: Cost, bytes: Double,
    movingSeconds: Double? = nil, details: [Detail] = [], assumptions: [String] = []
  ) {
    self.init(operation, on: cluster, cost, details, assumptions)
    let time = movingSeconds ?? cost.seconds
    gigabytesPerSecond = time > 0 ? bytes / time / 1e9 : 0
  }

  private init(
    _ operation: String, on cluster: Cluster, _ cost: Cost, _ details: [Detail],
    _ assumptions: [String]
  ) {
    self.operation = operation
    self.cluster = cluster.name
    seconds = cost.seconds
    limitedBy = cost.limitedBy.name(on: cluster)
    self.details = details
    self.assumptions = assumptions
  }

  /// The figures as a few lines.
  public var text: String {
    var table = TextTable([.left, .left])
    table.add("time", seconds > 0 ? Seconds(seconds).description : "0")
    if let tflops { table.add("rate", "\(threeFigures(tflops)) TFLOPS") }
    if let gigabytesPerSecond { table.add("rate", "\(threeFigures(gigabytesPerSecond)) GB/s") }
    table.add("limited by", limitedBy)
    for detail in details { table.add(detail.name, detail.value) }
    let changes = inputs?.lines(width: 100) ?? []
    let assumed =
      assumptions.isEmpty
      ? [] : wrapped("Assumed: \(assumptions.joined(separator: "; ")).", width: 100)
    return "\(operation) on \(cluster)\n" + changes.map { $0 + "\n" }.joined()
      + table.text(width: 100) + assumed.map { $0 + "\n" }.joined()
  }
}
