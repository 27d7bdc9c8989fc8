import Plans
import Simulation
import Testing

/// Reductions beside exchanges, and messages, share links max-min fairly.
@Suite struct LinkSharingTests {
  private static func reduction(
    _ left: Int64, from start: Int64 = 0, adapter: Double = 1, link: Double = 0
  ) -> CarriedStream.Reduction {
    .init(start: start, left: left, load: LinkLoad(adapter: adapter, link: link))
  }

  /// An exchange of 100 from 0 beside reductions: its end, and what each reduction is longer.
  private static func outcome(
    _ load: LinkLoad, _ reductions: CarriedStream.Reduction...
  ) -> (end: Int64, delays: [Int64]) {
    var sharing = LinkSharing()
    for reduction in reductions { sharing.begin(reduction) }
    let (end, delay) = sharing.end(ofExchange: 100_000, load, from: 0)
    #expect(delay == sharing.delays.reduce(0, +))
    return (end, sharing.delays)
  }

  /// Two that need all of an adapter have half each; who needs less than half has what it needs.
  @Test func anAdapterIsSplitEvenly() {
    let whole = LinkLoad(adapter: 1)
    #expect(Self.outcome(whole, Self.reduction(100_000)) == (200_000, [100_000]))
    #expect(Self.outcome(whole, Self.reduction(30_000, from: 50_000)) == (130_000, [30_000]))
    #expect(Self.outcome(whole, Self.reduction(100_000, from: 100_000)) == (100_000, [0]))
    #expect(
      Self.outcome(whole, Self.reduction(20_000), Self.reduction(20_000)) == (
        140_000, [20_000, 20_000]
      ))
    // The exchange goes on as alone, the reduction at two thirds: in 100 it does 66.7.
    let part = LinkLoad(adapter: 0.4)
    #expect(Self.outcome(part, Self.reduction(90_000, adapter: 0.9)) == (100_000, [33_333]))
    // The reduction goes on as alone, the exchange at 0.7: in 70 it does 49.
    #expect(Self.outcome(whole, Self.reduction(70_000, adapter: 0.3)) == (121_000, [0]))
  }

  /// What fits on both links changes nothing, different links nothing either, and the fuller one decides.
  @Test func eachLinkForItself() {
    #expect(
      Self.outcome(
        LinkLoad(adapter: 0.5, link: 0.7), Self.reduction(80_000, adapter: 0.5, link: 0.3))
        == (100_000, [0]))
    #expect(
      Self.outcome(LinkLoad(link: 1), Self.reduction(80_000, adapter: 1)) == (100_000, [0]))
    #expect(
      Self.outcome(LinkLoad(adapter: 0.2, link: 1), Self.reduction(80_000, adapter: 0.2, link: 1))
        == (180_000, [80_000]))
  }

  /// No order of what is begun makes more pass than the links carry, nor leaves them idle.
  @Test(arguments: [0.6, 0.8, 1]) func nothingIsLostOrWon(share: Double) {
    var sharing = LinkSharing()
    let load = LinkLoad(adapter: share)
    for index in 0..<6 {
      sharing.begin(Self.reduction(40_000, from: Int64(index) * 7_000, adapter: share))
    }
    var end: Int64 = 3_000
    for _ in 0..<4 { end = sharing.end(ofExchange: 50_000, load, from: end).end }
    let left = sharing.left(at: end).reduce(0) { $0 + $1.left }
    // From 3,000 on both are under way and the adapter is full; before, it carries one's share.
    let alone = 3_000 * share
    let carried = Double(4 * 50_000 + 6 * 40_000 - left) * share
    #expect(abs(carried - alone - Double(end - 3_000)) < 10)
  }

  /// Over a step: where both run each is at half speed, so both take half of that time longer.
  @Test func reductionsOfAStepShareWithItsExchanges() throws {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 2, data: 4, expert: 2)
    plan.gradientBucket = 1
    var pricing = FlatPricing()
    pricing.exchange.adapterShare = 1
    pricing.load = LinkLoad(adapter: 1)
    let rank = try SharedAdapterTests.result(Inputs.deepSeek(layers: 4), plan, pricing).ranks[0]
    // Behind two microseconds of preparation.
    let exchanges = SharedAdapterTests.exchanges(rank).map { span in
      (start: span.start + 2_000_000, end: span.end)
    }.filter { $0.start < $0.end }
    let reductions = rank.transfers.compactMap { span in
      switch span.kind {
      case .collective(_, _, .reduceScatter), .collective(_, _, .allReduce):
        (start: span.start, end: span.end)
      default: nil
      }
    }
    var (overlap, longer): (Int64, (Int64, Int64)) = (0, (0, 0))
    for exchange in exchanges {
      longer.0 += exchange.end - exchange.start - 10_000_000
      for reduction in reductions { overlap += SharedAdapterTests.overlap(exchange, reduction) }
    }
    for reduction in reductions { longer.1 += reduction.end - reduction.start - 20_000_000 }
    #expect(overlap > 0 && reductions.count > 3)
    #expect(abs(longer.0 - overlap / 2) <= Int64(exchanges.count))
    #expect(abs(longer.1 - overlap / 2) <= Int64(reductions.count))
  }

  /// Replayed or walked, folded or every rank by itself, with reductions that outlive their actions.
  @Test(arguments: BucketTests.schedules) func everyWayIsTheSame(schedule: (String, Int)) throws {
    var plan = Inputs.plan(
      schedule.0, pipeline: 4, stagesPerRank: schedule.1, microbatches: 8, data: 4, expert: 2)
    plan.gradientBucket = 3000
    let input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
    var pricing = FlatPricing(collective: 90e-6)
    pricing.exchange.adapterShare = 0.9
    let apart = StepSimulation(input, pricing: pricing).run()
    pricing.load = LinkLoad(adapter: 0.8)
    let (replayed, explicit) = expectEveryWayIsTheSame(
      StepSimulation(input, pricing: pricing))
    for rank in explicit.ranks {
      #expect(rank.data == replayed.ranks[rank.position].data)
      #expect(rank.expert == replayed.ranks[rank.position].expert)
    }
    let totals = [apart, replayed].map { result in
      result.ranks.map { ($0.expert.total, $0.data.total) }.reduce((0, 0)) {
        ($0.0 + $1.0, $0.1 + $1.1)
      }
    }
    #expect(totals[1].0 >= totals[0].0 && totals[1].1 >= totals[0].1)
    // Where weight gradients come last, nothing is exchanged any more when they are reduced.
    if !schedule.0.hasPrefix("zb") {
      #expect(totals[1].0 > totals[0].0 && totals[1].1 > totals[0].1)
    }
  }

  /// Three messages enter rank 2, one of them beside another that leaves rank 0 for rank 1: that one has what
  /// the third leaves, two thirds, until it has ended.
  @Test func whatOthersCannotUseIsShared() {
    var traffic = MessageTraffic(ranks: 5)
    for (place, source, destination, work) in [
      (0, 0, 1, 60.0), (1, 0, 2, 90), (2, 3, 2, 90), (3, 4, 2, 90),
    ] {
      traffic.begin(
        .init(
          place: place, source: source, destination: destination, usesAdapter: true,
          work: work * 1000, limit: 1), at: 0)
    }
    var ends = [Int64](repeating: -1, count: 4)
    while let time = traffic.nextTime {
      if let place = traffic.advance() { ends[place] = time }
    }
    #expect(abs(ends[0] - 90_000) <= 2)
    for end in ends.dropFirst() { #expect(abs(end - 270_000) <= 2) }
  }
}
