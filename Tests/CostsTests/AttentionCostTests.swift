import Clusters
import Costs
import Testing

@Suite struct AttentionCostTests {
  let device = Result { try DeviceModel(Cluster.shipped("a100-selene").device) }

  @Test func causalCostsAboutHalf() throws {
    let cost = AttentionCost(try device.get())
    let causal = AttentionShape(heads: 128, queries: 8_192, queryDimension: 128)
    var full = causal
    full.causal = false
    #expect(full.flops == 2 * causal.flops)
    let ratio = cost.forward(full).seconds / cost.forward(causal).seconds
    #expect(ratio > 1.8 && ratio < 2)
  }

  @Test func backwardTakesTwoAndAHalfTimesTheWork() throws {
    let cost = AttentionCost(try device.get())
    let shape = AttentionShape(heads: 64, queries: 4_096, queryDimension: 128)
    let ratio = cost.backward(shape).seconds / cost.forward(shape).seconds
    #expect(ratio > 2.5 && ratio < 3.5)
  }

  @Test func fewHeadsLeaveMultiprocessorsIdle() throws {
    let cost = AttentionCost(try device.get())
    let few = cost.forward(AttentionShape(heads: 1, queries: 4_096, queryDimension: 128))
    #expect(few.limitedBy == .waveQuantisation)
    let many = cost.forward(AttentionShape(heads: 256, queries: 4_096, queryDimension: 128))
    #expect(many.limitedBy == .compute)
    #expect(many.seconds < 256 * few.seconds / 6)
  }

  @Test func theUnfusedCoreIsSlowerThanTheFusedOne() throws {
    let cost = AttentionCost(try device.get())
    let shape = AttentionShape(heads: 32, queries: 2_048, queryDimension: 96, causal: false)
    #expect(cost.unfusedForward(shape).seconds > 2 * cost.forward(shape).seconds)
    #expect(cost.unfusedBackward(shape).seconds > cost.unfusedForward(shape).seconds)
  }

  /// Kernels are made for some widths: a head between two takes what the next one does, and never less than a
  /// narrower one, at any length and on any device.
  @Test(
    arguments: ["h100-2048", "h800-2048", "a100-selene", "b200-256"], [128, 256, 1_024, 8_192])
  func widerHeadsAreNeverFaster(cluster: String, queries: Int) throws {
    let device = try DeviceModel(Cluster.shipped(cluster).device)
    for library in device.attention.known {
      let cost = AttentionCost(device, library: library)
      let widest = try #require(library.kernelWidths.last)
      #expect(device.attention.widestHead(library) == widest)
      func seconds(_ width: Int) -> [Double] {
        let shape = AttentionShape(heads: 264, queries: queries, queryDimension: width)
        return [cost.forward(shape).seconds, cost.backward(shape).seconds]
      }
      var last = seconds(1)
      for width in 2...widest {
        let next = seconds(width)
        #expect(
          zip(last, next).allSatisfy { $0 <= $1 }, "\(library.rawValue) \(width) \(queries)")
        last = next
      }
    }
  }

  /// 72 numbers are padded to 96 where there is a kernel for so many, else to 128, and a value to its own next
  /// width.
  @Test(arguments: [
    (AttentionLibrary.flash2, 96), (.flash3, 96), (.cuDNN, 128), (.triton, 128),
  ])
  func headsArePadded(library: AttentionLibrary, width: Int) throws {
    let cost = AttentionCost(
      try DeviceModel(Cluster.shipped("h100-2048").device), library: library)
    func seconds(_ query: Int, _ value: Int) -> Double {
      cost.forward(
        AttentionShape(
          heads: 264, queries: 8_192, queryDimension: query, valueDimension: value)
      ).seconds
    }
    #expect(seconds(72, 72) == seconds(width, width))
    #expect(seconds(72, 72) > 1.05 * seconds(64, 64))
    #expect(seconds(width, 72) == seconds(width, width))
    #expect(seconds(128, 64) < seconds(128, 128))
  }

  /// No kernel of an H100 takes less than its shortest; longer ones take their bytes alone.
  @Test func noKernelIsShorterThanTheShortest() throws {
    let device = try DeviceModel(Cluster.shipped("h100-2048").device)
    let cost = StreamingCost(device)
    #expect(device.streaming.shortest == 3e-6 && device.streaming.ramp == 0)
    #expect(cost.tiny().seconds == 3e-6)
    for kernel in StreamingClass.allCases {
      let rate = cost.rate(kernel)
      #expect(cost.cost(kernel, bytes: 2e-6 * rate).seconds == 3e-6)
      #expect(abs(cost.cost(kernel, bytes: 4e-6 * rate).seconds - 4e-6) < 1e-12)
    }
  }

  /// The cluster's key is the time of what is short, and where kernels that route and index begin.
  @Test func theShortestIsTheClusters() throws {
    func cost(_ shortest: String) throws -> StreamingCost {
      try StreamingCost(
        DeviceModel(
          Cluster.shipped(
            "h100-2048", overrides: ["device.kernels.streaming.shortest=\(shortest)"]
          ).device))
    }
    let (short, long) = (try cost("0 us"), try cost("20 us"))
    #expect(short.tiny().seconds == 0 && long.tiny().seconds == 20e-6)
    for more in [
      long.routing(tokens: 64).seconds - short.routing(tokens: 64).seconds,
      long.indexing(tokens: 64).seconds - short.indexing(tokens: 64).seconds,
    ] { #expect(abs(more - 20e-6) < 1e-12) }
    for kernel in StreamingClass.allCases {
      let rate = long.rate(kernel)
      #expect(long.cost(kernel, bytes: 19e-6 * rate).seconds == 20e-6)
      #expect(abs(short.cost(kernel, bytes: 19e-6 * rate).seconds - 19e-6) < 1e-12)
      #expect(long.cost(kernel, bytes: 21e-6 * rate) == short.cost(kernel, bytes: 21e-6 * rate))
    }
  }

  @Test func streamingGrowsWithBytesFromItsRamp() throws {
    let cost = StreamingCost(try device.get())
    for kernel in StreamingClass.allCases {
      let empty = cost.cost(kernel, bytes: 0)
      #expect(empty == cost.tiny() && empty.limitedBy == .launch)
      let large = cost.cost(kernel, bytes: 1e9)
      #expect(large.limitedBy == .memory)
      #expect(1e9 / large.seconds <= 2.039e12, "\(kernel) outruns the data sheet")
    }
  }
}
