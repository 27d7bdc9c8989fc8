/// A part of a merged pair that is carried out in one piece: of the forward, of the backward for the input,
/// or of the backward for the weights of an earlier piece.
///
/// Exchanges are started where they stand; what reads them waits for them. Norms, casts and residuals
/// belong to their neighbours.
public enum PairSegment: String, Hashable, Sendable, CaseIterable {
  /// From the combine before, or the stage's beginning, up to the next dispatch, or the stage's end.
  case forwardAttention = "f:attention"
  case forwardDispatch = "f:dispatch"
  /// What the forward computes while its tokens travel: shared experts.
  case forwardShared = "f:shared"
  case forwardExperts = "f:experts"
  case forwardCombine = "f:combine"
  /// From the dispatch of a gradient before, or the stage's end, up to the next combine.
  case backwardAttention = "b:attention"
  case backwardCombine = "b:combine"
  case backwardExperts = "b:experts"
  case backwardDispatch = "b:dispatch"
  case weightExperts = "w:experts"
  case weightAttention = "w:attention"

  public enum Half: Hashable, Sendable { case forward, backward, weight }

  public var half: Half {
    switch self {
    case .forwardAttention, .forwardDispatch, .forwardShared, .forwardExperts, .forwardCombine:
      .forward
    case .backwardAttention, .backwardCombine, .backwardExperts, .backwardDispatch: .backward
    case .weightExperts, .weightAttention: .weight
    }
  }

  /// The segment of the backward whose weights this one computes.
  public var owner: PairSegment? {
    switch self {
    case .weightExperts: .backwardExperts
    case .weightAttention: .backwardAttention
    default: nil
    }
  }

  /// The segments of one layer's forward, and of its backward behind what the layer above it sends.
  static let forwardLayer: [PairSegment] = [
    .forwardAttention, .forwardDispatch, .forwardShared, .forwardExperts, .forwardCombine,
  ]
  static let backwardLayer: [PairSegment] = [
    .backwardAttention, .backwardCombine, .backwardExperts, .backwardDispatch,
  ]
}

/// The order of the segments of a forward and a backward that are carried out as one.
public enum PairOrder: Hashable, Sendable {
  /// Whoever comes to wait for an exchange gives way to the other, the backward first: combine of the
  /// backward under the forward's attention, dispatch of the forward under the backward's experts,
  /// dispatch of the backward under weight products and the forward's experts, combine of the forward
  /// under the backward's attention (DeepSeek profile-data, training trace of 2025-02-27).
  case published
  /// As listed, again and again until both are over. An entry that is not next in its pass is passed
  /// over, so that one list serves stages of different lengths; segments that no entry names go with the
  /// next of their pass that one does, weight halves that none names stay behind the exchange that they
  /// were put behind.
  case segments([PairSegment])

  /// The published order as a list.
  public static let publishedSegments: [PairSegment] = [
    .backwardAttention, .backwardCombine, .weightAttention, .forwardAttention, .forwardDispatch,
    .forwardShared, .backwardExperts, .backwardDispatch, .weightExperts, .forwardExperts,
    .forwardCombine,
  ]

  /// Whether the list says where weight halves go.
  public var movesWeights: Bool {
    guard case .segments(let list) = self else { return false }
    return list.contains { $0.half == .weight }
  }

  /// Why a list is no order of a pair, with the two segments that stand the wrong way round; nil if it is
  /// one.
  public static func rule(against list: [PairSegment]) -> String? {
    for (layer, pass) in [
      (PairSegment.forwardLayer, "forward"), (PairSegment.backwardLayer, "backward"),
    ] {
      let chain = layer.filter(list.contains)
      guard !chain.isEmpty else { return "names no segment of the \(pass)" }
      var next = 0
      for segment in list where layer.contains(segment) {
        if segment != chain[next] {
          return "\(segment.rawValue) comes before \(chain[next].rawValue), whose result it needs"
        }
        next = (next + 1) % chain.count
      }
      // A stage ends with a piece of attention, as it begins with one.
      guard next == 0 || next == 1 && chain[0] == layer[0] else {
        return "ends behind \(chain[next - 1].rawValue), before \(chain[next].rawValue)"
      }
    }
    return ruleAgainstWeights(list)
  }

  /// A weight half comes behind the segment whose weights it computes.
  private static func ruleAgainstWeights(_ list: [PairSegment]) -> String? {
    var count: [PairSegment: Int] = [:]
    for segment in list {
      count[segment, default: 0] += 1
      if let owner = segment.owner, count[segment, default: 0] > count[owner, default: 0] {
        return "\(segment.rawValue) comes before \(owner.rawValue), whose weights it computes"
      }
    }
    return nil
  }
}

extension PairOrder: CustomStringConvertible {
  /// As a plan file says it.
  public var description: String {
    switch self {
    case .published: "published"
    case .segments(let list): "[\(list.map(\.rawValue).joined(separator: ", "))]"
    }
  }

  /// The word for the order that is no list.
  enum Name: String, CaseIterable { case published }
}

extension Plan {
  /// Refuses an order of pairs that has nothing to order, or takes weight halves away from what reads them.
  func checkPairOrder(hasPairs: Bool) throws(PlanError) {
    guard pairOrder != .published else { return }
    guard hasPairs else {
      throw .pairOrder(rule: "the schedule has no overlapped pairs (overlap.expert-exchange: true)")
    }
    guard expertParallel > 1 else {
      throw .pairOrder(rule: "expert-parallel is 1: nothing is exchanged")
    }
    guard pairOrder.movesWeights, zeroStage.rawValue >= 2, replicas > 1 else { return }
    throw .pairOrder(
      rule: "zero-stage \(zeroStage.rawValue) reduces a layer's gradients inside of its backward: "
        + "leave w:experts and w:attention out, which then stay where the backward has them")
  }
}
