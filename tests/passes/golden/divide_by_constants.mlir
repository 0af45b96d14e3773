// divide-by-constants
program @top level affine {
  buffer @x: 4xf32 input
  buffer @out: 4xf32 output
  function @top(@x) -> (@out) {
    kernel @n0(%i0: 4) {
      stage 0 {
        %v0 = load @x[%i0] : f32
        %c1 = constant 0x42240000 : f32
        %v2 = arith.divf %v0, %c1 : f32
        %c3 = constant 0x40800000 : f32
        %v4_factor = constant 0x3e800000 : f32
        %v4 = arith.mulf %v2, %v4_factor : f32
        %c5 = constant 0x00000000 : f32
        %v6 = arith.divf %v4, %c5 : f32
        store %v6 to @out[%i0]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 4xf32 input
  buffer @out: 4xf32 output
  function @top(@x) -> (@out) {
    kernel @n0(%i0: 4) {
      stage 0 {
        %v0 = load @x[%i0] : f32
        %c1 = constant 0x42240000 : f32
        %v2_reciprocal = constant 0x07f51f3831f38320 : i64
        %v2 = hwlib.divide_by %v0, %v2_reciprocal : (f32, i64) -> f32 model @f32_divide_by
        %c3 = constant 0x40800000 : f32
        %v4_factor = constant 0x3e800000 : f32
        %v4 = arith.mulf %v2, %v4_factor : f32
        %c5 = constant 0x00000000 : f32
        %v6 = arith.divf %v4, %c5 : f32
        store %v6 to @out[%i0]
      }
    }
  }
  model {
    |func.func private @f32_divide_by(%in: f32, %reciprocal: i64) -> f32 {
    |  %c0 = arith.constant 23 : i32
    |  %c1 = arith.constant 0 : i8
    |  %c2 = arith.constant true
    |  %c3 = arith.constant -1 : i8
    |  %c4 = arith.constant 0 : i23
    |  %c5 = arith.constant 31 : i32
    |  %c6 = arith.constant 23 : i24
    |  %c7 = arith.constant 0 : i2
    |  %c8 = arith.constant 49 : i64
    |  %c9 = arith.constant 59 : i64
    |  %c10 = arith.constant 17 : i64
    |  %c11 = arith.constant 34 : i64
    |  %c12 = arith.constant 15 : i16
    |  %c13 = arith.constant 17 : i41
    |  %c14 = arith.constant 0 : i16
    |  %c15 = arith.constant 17 : i57
    |  %c16 = arith.constant 0 : i33
    |  %c17 = arith.constant 56 : i57
    |  %c18 = arith.constant 32 : i57
    |  %c19 = arith.constant 31 : i57
    |  %c20 = arith.constant 1 : i25
    |  %c21 = arith.constant 9 : i10
    |  %c22 = arith.constant 8 : i10
    |  %c23 = arith.constant 0 : i10
    |  %c24 = arith.constant -2 : i8
    |  %c25 = arith.constant 0 : i22
    |  %c26 = arith.constant 0 : i7
    |  %c27 = arith.constant 23 : i31
    |  %c28 = arith.constant 22 : i31
    |  %c29 = arith.constant 22 : i32
    |  %v1 = arith.bitcast %in : f32 to i32
    |  %v2 = arith.trunci %v1 : i32 to i23
    |  %v3 = arith.shrui %v1, %c0 : i32
    |  %v4 = arith.trunci %v3 : i32 to i8
    |  %v5 = arith.cmpi ne, %v4, %c1 : i8
    |  %v6 = arith.xori %v5, %c2 : i1
    |  %v7 = arith.cmpi eq, %v4, %c3 : i8
    |  %v8 = arith.cmpi ne, %v2, %c4 : i23
    |  %v9 = arith.shrui %v1, %c5 : i32
    |  %v10 = arith.trunci %v9 : i32 to i1
    |  %v11 = arith.andi %v7, %v8 : i1
    |  %v12 = arith.xori %v8, %c2 : i1
    |  %v13 = arith.andi %v7, %v12 : i1
    |  %v14 = arith.extui %v5 : i1 to i24
    |  %v15 = arith.shli %v14, %c6 : i24
    |  %v16 = arith.extui %v2 : i23 to i24
    |  %v17 = arith.ori %v15, %v16 : i24
    |  %v18 = arith.extui %v4 : i8 to i10
    |  %v19 = arith.shrui %reciprocal, %c8 : i64
    |  %v20 = arith.trunci %v19 : i64 to i10
    |  %v21 = arith.addi %v18, %v20 : i10
    |  %v22 = arith.shrui %reciprocal, %c9 : i64
    |  %v23 = arith.trunci %v22 : i64 to i1
    |  %v24 = arith.xori %v10, %v23 : i1
    |  %v25 = arith.trunci %reciprocal : i64 to i17
    |  %v26 = arith.extui %v17 : i24 to i41
    |  %v27 = arith.extui %v25 : i17 to i41
    |  %v28 = arith.muli %v26, %v27 : i41
    |  %v29 = arith.shrui %reciprocal, %c10 : i64
    |  %v30 = arith.trunci %v29 : i64 to i17
    |  %v31 = arith.extui %v17 : i24 to i41
    |  %v32 = arith.extui %v30 : i17 to i41
    |  %v33 = arith.muli %v31, %v32 : i41
    |  %v34 = arith.shrui %reciprocal, %c11 : i64
    |  %v35 = arith.trunci %v34 : i64 to i15
    |  %v36 = arith.extui %c2 : i1 to i16
    |  %v37 = arith.shli %v36, %c12 : i16
    |  %v38 = arith.extui %v35 : i15 to i16
    |  %v39 = arith.ori %v37, %v38 : i16
    |  %v40 = arith.extui %v17 : i24 to i40
    |  %v41 = arith.extui %v39 : i16 to i40
    |  %v42 = arith.muli %v40, %v41 : i40
    |  %v43 = arith.shrui %v33, %c13 : i41
    |  %v44 = arith.trunci %v43 : i41 to i24
    |  %v45 = arith.extui %v44 : i24 to i40
    |  %v46 = arith.addi %v42, %v45 : i40
    |  %v47 = arith.trunci %v33 : i41 to i17
    |  %v48 = arith.extui %v46 : i40 to i57
    |  %v49 = arith.shli %v48, %c15 : i57
    |  %v50 = arith.extui %v47 : i17 to i57
    |  %v51 = arith.ori %v49, %v50 : i57
    |  %v52 = arith.shrui %v28, %c13 : i41
    |  %v53 = arith.trunci %v52 : i41 to i24
    |  %v54 = arith.extui %v53 : i24 to i57
    |  %v55 = arith.addi %v51, %v54 : i57
    |  %v56 = arith.shrui %v55, %c17 : i57
    |  %v57 = arith.trunci %v56 : i57 to i1
    |  %v58 = arith.shrui %v55, %c18 : i57
    |  %v59 = arith.trunci %v58 : i57 to i25
    |  %v60 = arith.shrui %v55, %c19 : i57
    |  %v61 = arith.trunci %v60 : i57 to i25
    |  %v62 = arith.select %v57, %v59, %v61 : i25
    |  %v63 = arith.shrui %v62, %c20 : i25
    |  %v64 = arith.trunci %v63 : i25 to i23
    |  %v65 = arith.trunci %v62 : i25 to i1
    |  %v66 = arith.shrui %v21, %c21 : i10
    |  %v67 = arith.trunci %v66 : i10 to i1
    |  %v68 = arith.trunci %v21 : i10 to i8
    |  %v69 = arith.shrui %v21, %c22 : i10
    |  %v70 = arith.trunci %v69 : i10 to i1
    |  %v71 = arith.ori %v6, %v67 : i1
    |  %v72 = arith.ori %v11, %v13 : i1
    |  %v73 = arith.xori %v67, %c2 : i1
    |  %v74 = arith.cmpi eq, %v68, %c3 : i8
    |  %v75 = arith.ori %v70, %v74 : i1
    |  %v76 = arith.andi %v73, %v75 : i1
    |  %v77 = arith.andi %v5, %v76 : i1
    |  %v78 = arith.ori %v72, %v77 : i1
    |  %v79 = arith.ori %v71, %v78 : i1
    |  %v80 = arith.cmpi ne, %v21, %c23 : i10
    |  %v81 = arith.xori %v80, %c2 : i1
    |  %v82 = arith.xori %v57, %c2 : i1
    |  %v83 = arith.andi %v81, %v82 : i1
    |  %v84 = arith.ori %v79, %v83 : i1
    |  %v85 = arith.cmpi eq, %v68, %c24 : i8
    |  %v86 = arith.andi %v57, %v85 : i1
    |  %v87 = arith.ori %v84, %v86 : i1
    |  %v88 = arith.xori %v71, %c2 : i1
    |  %v89 = arith.andi %v65, %v88 : i1
    |  %v90 = arith.andi %v57, %v88 : i1
    |  %v91 = arith.select %v71, %c1, %v68 : i8
    |  %v92 = arith.extui %v91 : i8 to i31
    |  %v93 = arith.shli %v92, %c27 : i31
    |  %v94 = arith.extui %v64 : i23 to i31
    |  %v95 = arith.ori %v93, %v94 : i31
    |  %v96 = arith.extui %v90 : i1 to i31
    |  %v97 = arith.shli %v96, %c27 : i31
    |  %v98 = arith.extui %v89 : i1 to i31
    |  %v99 = arith.ori %v97, %v98 : i31
    |  %v100 = arith.addi %v95, %v99 : i31
    |  %v101 = arith.shrui %v100, %c27 : i31
    |  %v102 = arith.trunci %v101 : i31 to i8
    |  %v103 = arith.select %v78, %c3, %v102 : i8
    |  %v104 = arith.shrui %v100, %c28 : i31
    |  %v105 = arith.trunci %v104 : i31 to i1
    |  %v106 = arith.xori %v87, %c2 : i1
    |  %v107 = arith.andi %v105, %v106 : i1
    |  %v108 = arith.ori %v11, %v107 : i1
    |  %v109 = arith.xori %v11, %c2 : i1
    |  %v110 = arith.andi %v24, %v109 : i1
    |  %v111 = arith.trunci %v100 : i31 to i22
    |  %v112 = arith.select %v87, %c25, %v111 : i22
    |  %v113 = arith.extui %v110 : i1 to i32
    |  %v114 = arith.shli %v113, %c5 : i32
    |  %v115 = arith.extui %v103 : i8 to i32
    |  %v116 = arith.shli %v115, %c0 : i32
    |  %v117 = arith.ori %v114, %v116 : i32
    |  %v118 = arith.extui %v108 : i1 to i32
    |  %v119 = arith.shli %v118, %c29 : i32
    |  %v120 = arith.ori %v117, %v119 : i32
    |  %v121 = arith.extui %v112 : i22 to i32
    |  %v122 = arith.ori %v120, %v121 : i32
    |  %v123 = arith.bitcast %v122 : i32 to f32
    |  return %v123 : f32
    |}
    |
  }
}
// divisions by constants: ['n0']
