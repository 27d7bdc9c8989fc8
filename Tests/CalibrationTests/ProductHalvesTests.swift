import Calibration
import Clusters
import Costs
import Documents
import Testing

/// Which products are kept back: neighbours along each side, whatever order a file has.
@Suite struct ProductHalvesTests {
  /// The halves of products that cost what the cluster says: each product, and whether it was fitted.
  private func halves(
    _ shapes: [MatmulShape], _ library: MatmulLibrary
  ) throws -> [(shape: MatmulShape, isFitted: Bool)] {
    let base = try Cluster.shipped("h800-2048")
    let cost = try #require(MatmulCost(DeviceModel(base.device), library: library))
    var measured = Measurements()
    measured.products = shapes.enumerated().map { line, shape in
      MeasuredProduct(
        library: library, shape: shape, seconds: cost.cost(shape, clock: .boost).seconds,
        place: MeasuredPlace(file: "products.csv", line: line))
    }
    let outcome = try Calibrator(base: base, named: "h800-2048", facts: MeasurementFacts()).fit(
      measured, name: "mine", file: "mine.yaml")
    let points = try #require(outcome.parts.first).points
    #expect(points.count == shapes.count)
    return points.map { (shapes[$0.place.line], $0.isFitted) }
  }

  /// DeepGEMM's tables go through four pairs of widths for each number of rows: in their own order one half has
  /// one depth alone.
  @Test func pairsOfWidths() throws {
    let widths = [(2112, 7168), (32_768, 512), (4096, 7168), (7168, 2048)]
    let shapes = [64, 128, 4096].flatMap { rows in
      widths.map { MatmulShape(m: rows, n: $0.0, k: $0.1) }
    }
    let found = try halves(shapes, .fp8April2025)
    for side in [\MatmulShape.depth, \.columns, \.rows[0]] {
      let (fitted, held) = (
        Set(found.filter(\.isFitted).map { $0.shape[keyPath: side] }),
        Set(found.filter { !$0.isFitted }.map { $0.shape[keyPath: side] })
      )
      #expect(fitted == held && fitted.count >= 3)
    }
    #expect(abs(found.count(where: \.isFitted) - 6) <= 1)
    // The order of the file does not decide.
    let turned = try halves(shapes.reversed(), .fp8April2025)
    #expect(
      Set(turned.filter(\.isFitted).map(\.shape)) == Set(found.filter(\.isFitted).map(\.shape)))
  }

  /// The probe writes the three products of each layer one after the other: each of them is fitted and predicted.
  @Test func passesOfAProbe() throws {
    let shapes = [1024, 2048, 4096, 8192].flatMap { side in
      [
        MatmulShape(m: side, n: side, k: side),
        MatmulShape(m: side, n: side, k: side, pass: .backwardInput),
        MatmulShape(m: side, n: side, k: side, pass: .backwardWeight, accumulates: false),
        MatmulShape(m: side, n: side, k: side, pass: .backwardWeight, accumulates: true),
      ]
    }
    let found = try halves(shapes, .bf16)
    for pass in MatmulPass.allCases {
      for accumulates in pass == .backwardWeight ? [false, true] : [false] {
        let own = found.filter { ($0.shape.pass, $0.shape.accumulates) == (pass, accumulates) }
        #expect(own.count == 4 && own.contains(where: \.isFitted), "\(pass) \(accumulates)")
        #expect(own.contains { !$0.isFitted }, "\(pass) \(accumulates)")
      }
    }
  }

  /// Of a whole grid each product has neighbours of the other half along every side.
  @Test func aGrid() throws {
    let sides = [512, 1024, 2048, 4096]
    let shapes = sides.flatMap { m in
      sides.flatMap { n in sides.map { MatmulShape(m: m, n: n, k: $0) } }
    }
    let found = try halves(shapes, .bf16)
    let fitted = Dictionary(uniqueKeysWithValues: found.map { ($0.shape, $0.isFitted) })
    func isFitted(_ m: Int, _ n: Int, _ k: Int) -> Bool? {
      fitted[MatmulShape(m: sides[m], n: sides[n], k: sides[k])]
    }
    for m in 0..<3 {
      for n in 0..<3 {
        // The very last one is fitted, too.
        for k in 0..<3 where (m, n, k) != (0, 0, 2) {
          let own = isFitted(m, n, k)
          #expect(own != isFitted(m + 1, n, k) && own != isFitted(m, n + 1, k))
          #expect(own != isFitted(m, n, k + 1))
        }
      }
    }
  }
}
