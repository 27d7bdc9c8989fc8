import Clusters
import Models
import Plans
import Schedules
import Simulation

/// The framework whose abilities limit a grid.
public enum SearchFramework: String, Hashable, Sendable, CaseIterable {
  /// Megatron-Core (arXiv 2104.04473, 2205.05198 and its arguments as of v0.14).
  case megatron
  /// TorchTitan with PyTorch's pipelining and FSDP2 (arXiv 2410.06511).
  case torchtitan
  /// Everything that a plan can say.
  case any

  /// Schedules that the framework has.
  ///
  /// Megatron-Core: `forward_backward_pipelining_without_interleaving` and `…_with_interleaving`.
  /// PyTorch: the classes of `torch/distributed/pipelining/schedules.py`.
  public var schedules: [ScheduleName] {
    switch self {
    case .any: ScheduleName.allCases
    case .megatron: [.oneForwardOneBackward, .interleavedOneForwardOneBackward]
    case .torchtitan:
      [
        .gpipe, .oneForwardOneBackward, .interleavedOneForwardOneBackward, .loopedBreadthFirst,
        .interleavedZeroBubble, .zeroBubbleV, .dualPipeV,
      ]
    }
  }

  /// Megatron's distributed optimizer shards optimizer state alone; FSDP2 shards parameters, too, or keeps
  /// them gathered between forward and backward.
  var zeroStages: [Plan.ZeROStage] {
    switch self {
    case .any: Plan.ZeROStage.allCases
    case .megatron: [.nothing, .optimizer]
    case .torchtitan: [.gradients, .parameters]
    }
  }

  /// How exchanges of a tensor group run beside products: PyTorch's asynchronous tensor parallelism cuts them
  /// into chunks, Megatron-Core has both ways.
  var tensorExchanges: [Plan.Overlap.TensorExchange] {
    self == .torchtitan ? [.no, .chunked] : [.no, .bulk, .chunked]
  }

  /// Whether parts of layers can be recomputed by their names.
  var recomputesModules: Bool { self != .torchtitan }

  /// TorchTitan's experts are exchanged by all-to-all or DeepEP.
  var dispatchers: [Plan.Dispatcher] {
    self == .torchtitan ? [.deepEP, .allToAll] : Plan.Dispatcher.allCases
  }
}

extension SearchSpace {
  /// The grid that is searched where nothing else is said.
  ///
  /// - Parameters:
  ///   - bases: plans with what the grid does not name, among it the batch and the sequence.
  ///   - devices: how many devices every plan uses.
  public init(
    bases: [Plan], devices: Int, for architecture: Architecture, on cluster: Cluster,
    framework: SearchFramework = .any
  ) {
    precondition(!bases.isEmpty, "A space has a base.")
    self.bases = bases
    self.devices = devices
    let perNode = cluster.node.devices.value
    let sequence = bases.map(\.sequenceLength).max() ?? 1
    tensorParallel = Self.powersOfTwo(upTo: min(perNode, devices))
    // A rank that holds fewer tokens of a sequence has little to compute between two exchanges.
    contextParallel = Self.powersOfTwo(upTo: max(1, min(devices, sequence / 4096)))
    pipelineParallel = Self.divisors(of: devices).filter {
      $0 <= min(128, architecture.units.count)
    }
    let mixture = architecture.feedForwards.compactMap(\.mixture).first
    expertParallel = Self.divisors(of: mixture?.routedExperts ?? 1).filter { $0 <= devices }
    expertTensorParallel = nil
    dataParallel = nil
    sequenceParallel = [true]
    microbatchSizes = [1, 2, 4]
    schedules = framework.schedules.map { .named($0.rawValue) }
    stagesPerRank = nil
    zeroStages = framework.zeroStages
    // FSDP2 has both (HSDP), as has Megatron's optimizer (`--num-distributed-optimizer-instances`).
    shardingGroups = nil
    nodeDevices = perNode
    recomputations = [.none, .full]
    recomputedLayers = nil
    layerCount = architecture.layerCount
    layouts = [.even, .balanced]
    dispatchers = framework.dispatchers
    communicationSMs = [8, 12, 16, 20, 24, 32].filter {
      $0 < cluster.device.multiprocessors.value
    }
    tensorExchanges = framework.tensorExchanges
    expertExchanges = nil
    if framework.recomputesModules {
      recomputations += Self.prefixes(of: architecture, bases[0], on: cluster)
    }
  }

  private static func powersOfTwo(upTo most: Int) -> [Int] {
    var powers: [Int] = []
    var power = 1
    while power <= most {
      powers.append(power)
      power *= 2
    }
    return powers
  }

  private static func divisors(of whole: Int) -> [Int] {
    (1...max(1, whole)).filter { whole % $0 == 0 }
  }

  /// Sets of parts that are recomputed: the parts in the order of the seconds that a byte costs which they
  /// save, and of that order every beginning.
  ///
  /// Parts that save nothing by themselves are left out, as is `norm`, which is the model's own kind of norm
  /// in another word; a block that is recomputed holds its activation. Seconds and bytes are those of the last
  /// layer on one rank.
  private static func prefixes(
    of architecture: Architecture, _ base: Plan, on cluster: Cluster
  ) -> [Recomputation] {
    // What cannot be priced at all is refused by the search, in the cluster's own words.
    guard (try? PlannedStep.checkConstants(of: cluster, for: base, architecture)) != nil else {
      return []
    }
    let book = CostBook([base], architecture, cluster)
    func cost(_ recomputation: Recomputation) -> UnitCost? {
      var setting = KernelSetting(base: 0)
      setting.recomputation = recomputation
      let layer = architecture.units.lastIndex { if case .layer = $0 { true } else { false } }
      return layer.flatMap { index in (try? book.costs(setting))?.units.kind(of: index).cost }
    }
    func isAllowed(_ modules: [Recomputation.Module]) -> Bool {
      var plan = base
      plan.recomputation = .modules(modules)
      return (try? plan.checkSettings(for: architecture)) != nil
    }
    guard let plain = cost(.none) else { return [] }
    let gains = Recomputation.Module.allCases.compactMap {
      module -> (module: Recomputation.Module, price: Double)? in
      guard module != .norm, module != .alternateProducts || base.framework == .torchtitan,
        isAllowed([module]), let cost = cost(.modules([module]))
      else {
        return nil
      }
      let saved = plain.kept - cost.kept
      guard saved > 0 else { return nil }
      return (module, max(0, cost.backward.seconds - plain.backward.seconds) / saved)
    }
    let order = gains.enumerated()
      .sorted { ($0.element.price, $0.offset) < ($1.element.price, $1.offset) }
      .map(\.element.module)
    let sets = order.indices.compactMap { last -> Recomputation? in
      let all = Recomputation.Module.allCases.filter(order[...last].contains)
      let outside = all.filter { $0 != .swiGLU && $0 != .gelu }
      return [all, outside].first { !$0.isEmpty && isAllowed($0) }.map { .modules($0) }
    }
    return distinct(sets)
  }
}
