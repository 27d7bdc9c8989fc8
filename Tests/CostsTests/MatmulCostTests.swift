import Clusters
import Costs
import Testing

@Suite struct MatmulCostTests {
  let device = Result { try DeviceModel(Cluster.shipped("h800-2048").device) }

  func cost(_ library: MatmulLibrary = .fp8April2025) throws -> MatmulCost {
    try #require(MatmulCost(try device.get(), library: library))
  }

  @Test func oneTileMoreThanTheMultiprocessorsStartsAWave() throws {
    let cost = try cost(.fp8February2025)
    let full = MatmulShape(m: 128 * 56, n: 256, k: 7_168)
    let more = MatmulShape(m: 128 * 56 + 1, n: 256, k: 7_168)
    #expect(cost.tiling(full, multiprocessors: 112).waves == 1)
    #expect(cost.tiling(more, multiprocessors: 112).waves == 2)
    let one = cost.cost(full, multiprocessors: 112).seconds
    let two = cost.cost(more, multiprocessors: 112)
    #expect(two.seconds > 1.6 * one)
    #expect(two.limitedBy == .waveQuantisation)
  }

  /// Copies of a group are what the same groups one by one are, tiles that are not filled among them.
  @Test(arguments: [MatmulLibrary.bf16, .fp8April2025], [1, 3, 4_096])
  func copiesAreGroups(library: MatmulLibrary, count: Int) throws {
    let cost = try cost(library)
    for m in [64, 100, 128, 300] {
      var short = MatmulShape(m: m, n: 128, k: 64)
      short.copies = count
      let long = MatmulShape(rows: Array(repeating: m, count: count), columns: 128, depth: 64)
      #expect(short.flops == long.flops)
      #expect(cost.cost(short).seconds == cost.cost(long).seconds)
    }
  }

  @Test(arguments: MatmulLibrary.allCases)
  func moreMultiprocessorsAreNeverSlower(library: MatmulLibrary) throws {
    let device = try DeviceModel(Cluster.shipped("h100-2048").device)
    let cost = try #require(MatmulCost(device, library: library))
    for shape in [(64, 7_168, 2_048), (4_096, 576, 7_168), (4_096, 7_168, 512), (333, 999, 777)] {
      let product = MatmulShape(m: shape.0, n: shape.1, k: shape.2)
      var last = Double.infinity
      for count in 1...132 {
        let seconds = cost.cost(product, multiprocessors: count).seconds
        #expect(seconds <= last * 1.0001, "\(shape) on \(count)")
        last = seconds
      }
    }
  }

  /// Kernels up to the burst have the whole clock; of a long one everything that follows the clock takes as much
  /// longer as tensor cores leave of it.
  @Test func tensorCoresTakeFromTheClock() throws {
    let library = "device.kernels.matmul.bf16"
    func seconds(_ shape: MatmulShape, _ overrides: String...) throws -> Double {
      let cluster = try Cluster.shipped("h100-2048", overrides: overrides)
      let cost = try #require(MatmulCost(try DeviceModel(cluster.device), library: .bf16))
      return cost.cost(shape, clock: .boost).seconds
    }
    let (short, long) = (
      MatmulShape(m: 256, n: 256, k: 256), MatmulShape(m: 16_384, n: 16_384, k: 16_384)
    )
    let whole = "\(library).tensor-clock=1"
    #expect(try seconds(short) == seconds(short, whole))
    let ratio = try seconds(long) / seconds(long, whole)
    #expect(ratio > 1.15 && ratio < 1 / 0.83)
    #expect(try seconds(long, "\(library).tensor-burst=1 s") == seconds(long, whole))
  }

  /// Sums in 32 bits are read and written; what that takes follows their rate.
  @Test func sumsAreAddedAtTheirRate() throws {
    func extra(_ overrides: String...) throws -> Double {
      let cluster = try Cluster.shipped("h100-2048", overrides: overrides)
      let cost = try #require(MatmulCost(try DeviceModel(cluster.device), library: .bf16))
      let seconds = [true, false].map {
        cost.cost(
          MatmulShape(m: 4_096, n: 4_096, k: 4_096, pass: .backwardWeight, accumulates: $0),
          clock: .boost
        ).seconds
      }
      return seconds[0] - seconds[1]
    }
    let slow = try extra("device.kernels.matmul.bf16.accumulation-rate=2 TB/s")
    #expect(try slow > extra() && extra() > 0)
  }

  @Test func weightGradientsInFP8AreSlower() throws {
    let cost = try cost(.fp8February2025)
    let forward = cost.cost(MatmulShape(m: 4_096, n: 7_168, k: 4_096), multiprocessors: 112)
    let weight = cost.cost(
      MatmulShape(m: 4_096, n: 7_168, k: 4_096, pass: .backwardWeight), multiprocessors: 112)
    #expect(weight.seconds > 1.3 * forward.seconds && weight.seconds < 1.8 * forward.seconds)
  }

  @Test func theClockUnderLoadIsSlower() throws {
    let cost = try cost()
    let shape = MatmulShape(m: 4_096, n: 4_096, k: 7_168)
    #expect(cost.cost(shape, clock: .boost).seconds < cost.cost(shape, clock: .loaded).seconds)
  }

  @Test func theDecidingMechanismIsNamed() throws {
    let cost = try cost()
    let large = cost.cost(MatmulShape(m: 16_384, n: 7_168, k: 7_168))
    #expect(large.limitedBy == .compute)
    #expect(cost.cost(MatmulShape(m: 64, n: 32_768, k: 512)).limitedBy == .memory)
    #expect(cost.cost(MatmulShape(m: 1, n: 16, k: 16)).limitedBy == .launch)
  }

  @Test func unevenGroupsPadTheirTiles() throws {
    let cost = try cost()
    let even = MatmulShape(rows: [8_192, 8_192, 8_192, 8_192], columns: 4_096, depth: 7_168)
    let uneven = MatmulShape(rows: [1, 0, 16_383, 16_384], columns: 4_096, depth: 7_168)
    #expect(even.flops == uneven.flops)
    #expect(cost.cost(uneven).seconds >= 0.99 * cost.cost(even).seconds)
    #expect(cost.cost(MatmulShape(rows: [0, 0], columns: 8, depth: 8)) == .none)
  }

  @Test func sixteenBitProductsStayBelowTheirPeak() throws {
    let cost = try cost(.bf16)
    let shape = MatmulShape(m: 8_192, n: 8_192, k: 8_192)
    let rate = shape.flops / cost.cost(shape).seconds / 1e12
    #expect(rate > 550 && rate < 865, "\(rate) TFLOPS")
  }

  /// Scales of a tensor are no scales of blocks: such a library multiplies only where it is named.
  @Test func aLibraryWithOneScaleATensorHasToBeNamed() throws {
    let device = try DeviceModel(Cluster.shipped("h100-2048").device)
    #expect(device.library(for: .fp8) == .fp8April2025)
    #expect(device.library(for: .fp8, chosen: .fp8PerTensor) == .fp8PerTensor)
    let products = try #require(MatmulCost(device, library: .fp8PerTensor))
    let blocks = try #require(MatmulCost(device, library: .fp8April2025))
    let shape = MatmulShape(m: 8_192, n: 8_192, k: 8_192)
    let seconds = products.cost(shape, clock: .boost).seconds
    #expect(seconds < blocks.cost(shape, clock: .boost).seconds)
  }

  @Test func aMissingLibraryIsNil() throws {
    let device = try DeviceModel(Cluster.shipped("a100-selene").device)
    #expect(MatmulCost(device, library: .fp8April2025) == nil)
    #expect(device.library(for: .fp8) == nil)
    #expect(device.library(for: .bf16) == .bf16)
    #expect(try self.device.get().library(for: .fp8) == .fp8April2025)
  }
}
