import Calibration
import Clusters
import Costs
import Testing

/// Rates of streaming kernels come from half of what the probe measured.
@Suite struct StreamFitTests {
  @Test(arguments: StreamFit.all.map(\.measurements)) func constantsAreThoseOfTheFit(name: String)
    throws
  {
    let fit = try #require(StreamFit.all.first { $0.measurements == name })
    let outcome = try fit.run()
    #expect(outcome.constants.count == 14)
    for constant in outcome.constants {
      #expect(
        abs(constant.shipped / constant.fitted - 1) < 0.01,
        "\(constant.key): \(constant.shipped), not \(constant.fitted)")
    }
    // The half that no rate was fitted to.
    let errors = outcome.cells.predicted.map {
      outcome.predictedSeconds($0) / $0.measuredSeconds - 1
    }
    #expect(errors.count == 27)
    let size = errors.map { abs($0) }.reduce(0, +) / Double(errors.count)
    #expect(size < 0.05)
    #expect(errors.allSatisfy { abs($0) < 0.22 })
  }

  /// Every second of a class by size is fitted, and no kernel stands in both halves.
  @Test func cellsAreHalved() {
    let cells = StreamCells(.h100)
    #expect(cells.fitted.count == 37)
    #expect(Set(cells.fitted).isDisjoint(with: cells.predicted))
    for kernel in StreamingClass.allCases {
      let fitted = cells.fitted.filter { $0.kernel == kernel }.count
      let predicted = cells.predicted.filter { $0.kernel == kernel }.count
      #expect(fitted == predicted || fitted == predicted + 1)
    }
  }

  /// Bytes are counted as steps count them: a norm's backward reads two numbers and writes one, dropout writes a mask.
  @Test func bytesAreThoseOfPrices() throws {
    let cells = StreamCells(.h100)
    let all = cells.fitted + cells.predicted
    for (name, bytes) in [
      ("rms-norm backward", 6.0), ("layer-norm backward", 6), ("dropout forward", 5),
      ("copy forward", 4), ("swiglu backward", 10), ("softmax forward", 6),
    ] {
      let cell = try #require(
        all.first { $0.name == "\(name), rows=16384, columns=4096" }, "\(name)")
      #expect(cell.bytes == bytes * 16_384 * 4_096)
    }
  }
}
