// Opens this project's DICOM objects with the library of a viewer (cornerstone3D): bundled and run by test_viewer.py.
import { cache, metaData } from "@cornerstonejs/core";
import { adaptersSEG, adaptersSR } from "@cornerstonejs/adapters";
import { data as dcmjsData } from "dcmjs";

const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;

function naturalized(buffer) {
  const file = dcmjsData.DicomMessage.readFile(buffer);
  const dataset = dcmjsData.DicomMetaDictionary.naturalizeDataset(file.dict);
  dataset._meta = dcmjsData.DicomMetaDictionary.namifyDataset(file.meta);
  return dataset;
}

// What a viewer knows of each source image, from its header alone.
const instances = new Map();

metaData.addProvider((type, imageId) => {
  const one = instances.get(imageId);
  if (!one) return undefined;
  const orientation = one.ImageOrientationPatient.map(Number);
  const [rowSpacing, columnSpacing] = one.PixelSpacing.map(Number);
  const modules = {
    instance: one,
    generalImageModule: { sopInstanceUID: one.SOPInstanceUID, instanceNumber: one.InstanceNumber },
    generalSeriesModule: { seriesInstanceUID: one.SeriesInstanceUID, modality: one.Modality },
    sopCommonModule: { sopInstanceUID: one.SOPInstanceUID, sopClassUID: one.SOPClassUID },
    imagePlaneModule: {
      frameOfReferenceUID: one.FrameOfReferenceUID,
      rows: one.Rows,
      columns: one.Columns,
      imageOrientationPatient: orientation,
      rowCosines: orientation.slice(0, 3),
      columnCosines: orientation.slice(3),
      imagePositionPatient: one.ImagePositionPatient.map(Number),
      sliceThickness: Number(one.SliceThickness),
      pixelSpacing: [rowSpacing, columnSpacing],
      rowPixelSpacing: rowSpacing,
      columnPixelSpacing: columnSpacing,
    },
    imagePixelModule: {
      rows: one.Rows,
      columns: one.Columns,
      bitsAllocated: one.BitsAllocated,
      bitsStored: one.BitsStored,
      highBit: one.HighBit,
      samplesPerPixel: 1,
      pixelRepresentation: one.PixelRepresentation,
      photometricInterpretation: one.PhotometricInterpretation,
    },
  };
  return modules[type];
}, 1000);

function shown(sources) {
  instances.clear();
  cache.purgeCache();
  return sources.map((base64) => {
    const one = naturalized(bytes(base64));
    const imageId = `source:${one.SOPInstanceUID}`;
    instances.set(imageId, one);
    return imageId;
  });
}

// The label map of each source image: its nonzero pixels by number of the segment.
window.segmentation = (sources, object) => opened(sources, object).catch((error) => ({ error: error.message }));

async function opened(sources, object) {
  const imageIds = shown(sources);
  const result = await adaptersSEG.Cornerstone3D.Segmentation.createFromDICOMSegBuffer(imageIds, bytes(object), {
    metadataProvider: metaData,
  });
  const layers = result.labelMapImages.map((layer) =>
    layer.map((image) => {
      const values = image.voxelManager ? image.voxelManager.getScalarData() : image.getPixelData();
      const pixels = {};
      values.forEach((value, index) => value && (pixels[value] = pixels[value] || []).push(index));
      return { referenced: image.referencedImageId, rows: image.rows, columns: image.columns, pixels };
    }),
  );
  const labels = result.segMetadata.data.filter(Boolean).map((segment) => segment.SegmentLabel);
  return { layers, labels, overlapping: Boolean(result.overlappingSegments) };
}

// The measurements that the library makes of a report, by the name of its tool; points in mm of the patient.
window.measurements = (sources, object) => {
  const images = {};
  for (const imageId of shown(sources)) images[`${imageId.replace("source:", "")}:1`] = imageId;
  const state = adaptersSR.Cornerstone3D.MeasurementReport.generateToolState(naturalized(bytes(object)), images, metaData);
  const found = {};
  for (const [tool, list] of Object.entries(state)) {
    found[tool] = list.map(({ annotation, finding, findingSites }) => ({
      image: annotation.metadata.referencedImageId,
      points: (annotation.data.contour ? annotation.data.contour.polyline : annotation.data.handles.points).map((p) => [...p]),
      closed: annotation.data.contour ? annotation.data.contour.closed : null,
      stats: Object.values(annotation.data.cachedStats)[0],
      finding: finding.CodeMeaning,
      site: findingSites[0].CodeMeaning,
    }));
  }
  return found;
};
