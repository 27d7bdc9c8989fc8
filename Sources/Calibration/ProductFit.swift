import Clusters
import Costs
import Documents
import RealModule

/// A fit of a vendor's matrix products: measured shapes, and the cluster whose constants come from them.
///
/// The benchmark's clock is fitted with the constants: kernels of milliseconds feel the power limit, shorter
/// ones do not, and no constant of a shape may absorb that.
public struct ProductFit: Sendable {
  /// A constant that is fitted: its key in a library's table and its place.
  public struct Parameter: Sendable {
    public var name: String
    public var unit: CollectiveFit.Parameter.Unit
    let get: @Sendable (State) -> Double
    let set: @Sendable (inout State, Double) -> Void

    /// What the key may be.
    var range: ClosedRange<Double> { unit.kind.range }

    /// The value of a state.
    public func callAsFunction(_ state: State) -> Double { get(state) }

    fileprivate init(
      _ name: String, _ unit: CollectiveFit.Parameter.Unit,
      _ path: WritableKeyPath<State, Double> & Sendable
    ) {
      self.name = name
      self.unit = unit
      get = { $0[keyPath: path] }
      set = { $0[keyPath: path] = $1 }
    }
  }

  /// What a fit changes: the constants of the library, and the clock of the benchmark.
  public struct State: Hashable, Sendable {
    public var constants: MatmulConstants
    public var clock: BenchmarkClock
  }

  /// What the measurements are called.
  public var measurements: String
  public var device: ProductCells.Device
  public var cluster: String
  public var library: MatmulLibrary
  /// The benchmark's clock as it was fitted: no key of a cluster.
  public var clock: BenchmarkClock
  /// Whether `probe.py` measured them, gradients included.
  public var isProbed = false
  /// What is fitted, the benchmark's clock last.
  public var parameters = Self.everyParameter

  /// Every fit, by the name of its measurements.
  public static let all: [ProductFit] = [
    ProductFit(
      measurements: "h100-products", device: .h100, cluster: "h100-2048", library: .bf16,
      clock: .boost, isProbed: true, parameters: probed16),
    ProductFit(
      measurements: "h100-fp8-products", device: .h100, cluster: "h100-2048",
      library: .fp8PerTensor, clock: .boost, isProbed: true, parameters: probed8),
    ProductFit(
      measurements: "b200-products", device: .b200, cluster: "b200-256", library: .bf16,
      clock: BenchmarkClock(burst: 5.83e-3, sustained: 0.805), parameters: withoutTiles),
    ProductFit(
      measurements: "b200-fp8-products", device: .b200, cluster: "b200-256",
      library: .fp8PerTensor, clock: BenchmarkClock(burst: 3.92e-3, sustained: 0.758),
      parameters: withoutTiles),
    ProductFit(
      measurements: "a100-products", device: .a100, cluster: "a100-dgx-160", library: .bf16,
      clock: BenchmarkClock(burst: 1.21e-3, sustained: 0.934)),
  ]

  /// Sums on Blackwell lie in a memory of their own, from where a tile is written while the next is computed:
  /// neither that nor the start of a tile takes time, and what is left for them goes to zero.
  private static let withoutTiles = everyParameter.filter {
    !["tile-overhead", "output-rate", "split-start"].contains($0.name)
  }

  private static let shapes: [Parameter] = [
    Parameter("step-overhead", .cycles, \.constants.stepOverhead),
    Parameter("tile-overhead", .seconds, \.constants.tileOverhead),
    Parameter("output-rate", .rate, \.constants.outputRate),
    Parameter("start", .seconds, \.constants.start),
    Parameter("knee", .exponent, \.constants.knee),
    Parameter("split-start", .seconds, \.constants.splitStart),
  ]

  private static let gradients: [Parameter] = [
    Parameter("promotion-input", .multiple, \.constants.promotionInput),
    Parameter("promotion-weight", .multiple, \.constants.promotionWeight),
  ]

  /// In 16 bits a tile is written while the next is computed, unless it is added to sums.
  private static let probed16: [Parameter] =
    shapes.filter { $0.name != "output-rate" } + gradients + [
      Parameter("accumulation-rate", .rate, \.constants.accumulationRate),
      Parameter("tensor-clock", .share, \.constants.tensorClock),
      Parameter("tensor-burst", .seconds, \.constants.tensorBurst),
    ]

  private static let probed8: [Parameter] = shapes + gradients

  private static let everyParameter: [Parameter] =
    shapes + [
      Parameter("burst (of the benchmark)", .seconds, \.clock.burst),
      Parameter("sustained (of the benchmark)", .share, \.clock.sustained),
    ]

  /// What may be fitted to anybody's products of a library; files say which of it they decide.
  static func parameters(of library: MatmulLibrary) -> [Parameter] {
    guard library.isVendors else {
      // Tiles and sums of DeepGEMM: no parts of K, steps that promotion bounds.
      return [
        Parameter("step-floor", .cycles, \.constants.stepFloor),
        Parameter("promotion", .multiple, \.constants.promotion),
      ] + shapes.filter { $0.name != "split-start" }
    }
    let own = library == .bf16 ? probed16 : probed8
    return own + everyParameter.filter { known in !own.contains { $0.name == known.name } }
  }

  /// The constants as they ship, those fitted anew from them, and the measured shapes.
  public struct Outcome: Sendable {
    public var shipped: State
    public var fitted: State
    public var cells: ProductCells
    let device: DeviceModel
    let library: MatmulLibrary

    /// Seconds of a measured shape by the shipped constants, at the benchmark's clock.
    public func predictedSeconds(_ cell: ProductCell) -> Double {
      ProductFit.predictions([cell], shipped, library, on: device)[0]
    }
  }

  /// Fits again from what ships, in a few seconds.
  public func run() throws(ConfigurationError) -> Outcome {
    let model = try DeviceModel(Cluster.shipped(cluster).device)
    guard let constants = model.matmuls[library] else {
      preconditionFailure("\(cluster) describes \(library.rawValue).")
    }
    let cells =
      isProbed
      ? ProductCells(probed: device, library.precision)
      : ProductCells(shipped: device, library.precision)
    let shipped = State(constants: constants, clock: clock)
    let fitted = LeastSquares().fit(from: parameters.map { $0.get(shipped) }) { values in
      let state = state(values, from: shipped)
      return zip(Self.predictions(cells.fitted, state, library, on: model), cells.fitted).map {
        Double.log($0 / $1.measuredSeconds)
      }
    }
    return Outcome(
      shipped: shipped, fitted: state(fitted, from: shipped), cells: cells, device: model,
      library: library)
  }

  private func state(_ values: [Double], from start: State) -> State {
    var state = start
    for (parameter, value) in zip(parameters, values) {
      parameter.set(&state, parameter.unit == .share ? min(1, value) : value)
    }
    return state
  }

  static func predictions(
    _ cells: [ProductCell], _ state: State, _ library: MatmulLibrary, on device: DeviceModel
  ) -> [Double] {
    var device = device
    device.matmuls[library] = state.constants
    guard let cost = MatmulCost(device, library: library) else {
      preconditionFailure("The library's constants were just set.")
    }
    return cells.map {
      state.clock.seconds(atBoost: cost.cost($0.shape, clock: .boost).seconds)
    }
  }
}
