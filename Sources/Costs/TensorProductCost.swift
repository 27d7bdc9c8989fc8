import Clusters

/// A matrix product of a tensor-parallel group with the gather in front of it or the scatter behind it.
///
/// Whole, the exchange and the product follow one another. In chunks, one for each rank, a chunk moves while
/// another is multiplied. Of a gather a rank multiplies its own rows at once and each other chunk when it has
/// come around the ring; of a scatter every chunk of partial sums leaves for its rank when it has been
/// multiplied, and what has come is added up behind the last. Chunks are sent by copy engines, which take no
/// multiprocessors, at what a message between two ranks reaches. A chunk's product has its own waves, launch
/// and ramp, and each chunk has a message's start: small products lose.
///
/// Not modelled: tails of chunks that run side by side on several streams, and kernels that fuse the exchange
/// into one product, which have no waves of their own for each chunk.
public struct TensorProductCost: Sendable {
  /// Which exchange the product has.
  public enum Exchange: String, Hashable, Sendable, CaseIterable {
    /// All rows of the operand are gathered first.
    case gather
    /// The sums over the ranks are scattered behind it.
    case scatter
  }

  private let device: DeviceModel
  private let product: MatmulCost
  private let streaming: StreamingCost
  private let collectives: CollectiveCost
  private let clock: ClockState
  /// Seconds of the host to issue a kernel.
  private let host: Double
  /// Bytes of one number that is gathered or scattered.
  private static let elementBytes = 2.0

  /// Launches of one step of an exchange in chunks: a copy, the flag behind it, and a wait for the flag of
  /// what comes (Transformer Engine, `userbuffers_send` and `userbuffers_recv` by copy engines).
  public static let launchesOfStep = 3

  /// Products in 16 bits; nil where the device has none.
  public init?(
    _ cluster: Cluster, _ device: DeviceModel, _ constants: CollectiveConstants,
    clock: ClockState = .loaded
  ) {
    guard let product = MatmulCost(device, library: .bf16) else { return nil }
    self.device = device
    self.product = product
    self.clock = clock
    streaming = StreamingCost(device)
    collectives = CollectiveCost(constants)
    host = cluster.device.launch.host.value.value
  }

  /// Seconds of the product behind, or in front of, its whole exchange.
  ///
  /// - Parameters:
  ///   - shape: one rank's product over the rows of the whole group.
  ///   - group: the ranks, of one node.
  public func whole(_ exchange: Exchange, _ shape: MatmulShape, group: CollectiveGroup) -> Double {
    let moved = bytes(exchange, shape)
    let exchanged =
      exchange == .gather
      ? collectives.allGather(bytes: moved, group: group)
      : collectives.reduceScatter(bytes: moved, group: group)
    return exchanged.seconds + kernel(shape)
  }

  /// Seconds of the product whose exchange is cut into a chunk for each rank.
  public func inChunks(_ exchange: Exchange, _ shape: MatmulShape, group: CollectiveGroup) -> Double
  {
    let ranks = group.ranks
    guard ranks > 1 else { return kernel(shape) }
    var part = shape
    part.rows = shape.rows.map { $0 / ranks }
    let moved = bytes(exchange, part)
    let step = collectives.send(bytes: moved, insideNode: true).seconds
    var line = Line(host: host)
    switch exchange {
    case .gather:
      line.compute(gap + streaming.cost(.copy, bytes: 2 * moved).seconds)
      let arrivals = (1..<ranks).map { _ in line.start(step, launches: Self.launchesOfStep) }
      for index in 0..<ranks {
        if index > 0 { line.wait(arrivals[index - 1]) }
        line.compute(kernel(part))
      }
    case .scatter:
      var last = 0.0
      for index in 0..<ranks {
        line.compute(kernel(part))
        if index + 1 < ranks { last = line.start(step, launches: Self.launchesOfStep) }
      }
      line.wait(last)
      let sums = Double(ranks + 1) * moved
      line.compute(gap + streaming.cost(.elementwise, bytes: sums).seconds)
    }
    return line.clock
  }

  private var gap: Double { device.launchGap }

  private func kernel(_ shape: MatmulShape) -> Double {
    gap + product.cost(shape, clock: clock).seconds
  }

  private func bytes(_ exchange: Exchange, _ shape: MatmulShape) -> Double {
    let columns = exchange == .gather ? shape.depth : shape.columns
    return Double(shape.rows.reduce(0, +)) * Double(columns) * Self.elementBytes
  }
}

/// The compute stream of a rank, the stream of its messages, and the host that issues both.
private struct Line {
  let host: Double
  var clock = 0.0
  private var issued = 0.0
  private var streamEnd = 0.0

  init(host: Double) { self.host = host }

  mutating func compute(_ seconds: Double) {
    issued += host
    clock = max(clock, issued) + seconds
  }

  /// Starts a message behind those before it, and gives its end.
  mutating func start(_ seconds: Double, launches: Int) -> Double {
    issued += host * Double(launches)
    streamEnd = max(streamEnd, clock, issued) + seconds
    return streamEnd
  }

  mutating func wait(_ time: Double) { clock = max(clock, time) }
}
