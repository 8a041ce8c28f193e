"""First contact: layouts of public datasets, with drawn pixels, and whether `segdata` reads them at first sight.

Run as ``python -m benchmarks.first_contact.layouts FOLDER [NAME ...]``: it lays the datasets out in FOLDER, reads each,
and compares every image's segments with what was drawn: *read*, *refused* with its message, or *WRONG*. The layouts are
from memory of the published archives, without data cards, readmes and files of other kinds unless listed. Each list was
written down, and committed, before any of its layouts was tried: `KNOWN` are those that were refused before, `ANEW` was
tried next, `HELD_OUT` after the laws behind both had been mended, and `FRESH` later still.
"""

import json
import sys
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import segdata

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
HEIGHT, WIDTH = 96, 128
PALETTE = np.array([(0, 0, 0), (128, 64, 128), (107, 142, 35), (220, 20, 60), (0, 0, 142)], np.uint8)


class Archive:
    """A dataset that is being laid out: where, and what each image was labelled with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rng = np.random.default_rng(len(root.name))
        self.areas: dict[str, set[int]] = defaultdict(set)  # image path -> pixels of each of its labels
        self.grounds: dict[str, set[int]] = defaultdict(set)  # and of the values 0, which may be a category

    def save(self, name: str, pixels: Pixels) -> None:
        """Write pixels as an image file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)

    def text(self, name: str, content: str) -> None:
        """Write a text file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def photo(self, *names: str, grey: bool = False) -> None:
        """Write photographs: noise on clouds."""
        for name in names:
            clouds = ndimage.gaussian_filter(self.rng.normal(size=(HEIGHT, WIDTH, 3)), (6, 6, 0))
            pixels = 40 + 170 * (clouds - clouds.min()) / np.ptp(clouds) + self.rng.normal(0, 6, clouds.shape)
            colour = np.clip(pixels, 0, 255).astype(np.uint8)
            self.save(name, colour[:, :, 0] if grey else colour)

    def blobs(self, share: float = 0.2) -> NDArray[np.bool_]:
        """Random blobs over a share of the image."""
        clouds = ndimage.gaussian_filter(self.rng.normal(size=(HEIGHT, WIDTH)), 7)
        covered: NDArray[np.bool_] = clouds > np.quantile(clouds, 1 - share)
        return covered

    def second_observer(self, first: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """The blobs of another person: a little larger, and one piece is missing."""
        drawn: NDArray[np.uint8] = ndimage.binary_dilation(first).astype(np.uint8) * 255
        drawn[:20, :20] = 0
        return drawn

    def classes(self, n: int = 3, first: int = 0) -> NDArray[np.uint8]:
        """Values from `first` to `first + n` of random regions."""
        regions: NDArray[np.uint8] = np.sum([self.blobs(0.5) for _ in range(n)], axis=0).astype(np.uint8) + first
        return regions

    def numbered(self) -> NDArray[np.uint8]:
        """Blobs with a number each."""
        labels: NDArray[np.int32] = ndimage.label(self.blobs())[0]
        return labels.astype(np.uint8)

    def mask(self, name: str, of: str, pixels: Pixels | None = None, counts: bool = True) -> None:
        """Write a mask of an image, by default black and white blobs; `counts`: its labels are part of the truth."""
        values = self.blobs().astype(np.uint8) * 255 if pixels is None else pixels
        self.save(name, values)
        if counts:
            wide = values.astype(np.int64)
            flat: NDArray[np.int64] = wide if values.ndim == 2 else wide @ np.array([1, 256, 65536])
            value, area = np.unique(flat, return_counts=True)
            self.areas[of].update(area[value > 0].tolist())
            self.grounds[of].update(area[value == 0].tolist())

    def beside(self, name: str, pixels: Pixels) -> None:
        """Write a file that is no label: a rendering, boundaries, a region of interest."""
        self.save(name, pixels)


Layout = Callable[[Archive], None]


def chase_db1(made: Archive) -> None:
    """Retinal vessels by two observers."""
    for k in range(1, 5):
        for eye in "LR":
            image = f"Image_{k:02d}{eye}.jpg"
            made.photo(image)
            vessels = made.blobs()
            made.mask(f"Image_{k:02d}{eye}_1stHO.png", image, vessels.astype(np.uint8) * 255)
            made.mask(f"Image_{k:02d}{eye}_2ndHO.png", image, made.second_observer(vessels), counts=False)


def cell_tracking(made: Archive) -> None:
    """Cell Tracking Challenge: segmentation of some frames, tracks of all."""
    for run in ("01", "02"):
        for k in range(5):
            image = f"{run}/t{k:03d}.tif"
            made.photo(image, grey=True)
            ids = made.numbered().astype(np.uint16)
            if k % 2 == 0:
                made.mask(f"{run}_GT/SEG/man_seg{k:03d}.tif", image, ids)
            made.save(f"{run}_GT/TRA/man_track{k:03d}.tif", (ids > 0).astype(np.uint16) * (1 + k % 2))
        made.text(f"{run}_GT/TRA/man_track.txt", "1 0 4 0\n2 1 3 1\n")


def floodnet(made: Archive) -> None:
    """Floods from drones."""
    for split in ("train", "val", "test"):
        for k in range(4):
            image = f"{split}/{split}-org-img/{6000 + 10 * k + len(split)}.jpg"
            made.photo(image)
            label = image.replace("-org-", "-label-").replace(".jpg", "_lab.png")
            made.mask(label, image, made.classes())


def ph2(made: Archive) -> None:
    """Skin lesions: a folder for each case."""
    for k in (2, 3, 4, 6, 8):
        case = f"IMD{k:03d}"
        image = f"PH2 Dataset images/{case}/{case}_Dermoscopic_Image/{case}.bmp"
        made.photo(image)
        made.mask(f"PH2 Dataset images/{case}/{case}_lesion/{case}_lesion.bmp", image)


def celebamask(made: Archive) -> None:
    """Parts of faces: a file for each part, names padded with zeros."""
    for k in range(6):
        image = f"CelebA-HQ-img/{k}.jpg"
        made.photo(image)
        for part in ("hair", "skin", "l_eye", "u_lip"):
            pixels = np.dstack([made.blobs(0.1).astype(np.uint8) * 255] * 3)
            made.mask(f"CelebAMask-HQ-mask-anno/{k // 3}/{k:05d}_{part}.png", image, pixels)


KNOWN: tuple[Layout, ...] = (chase_db1, cell_tracking, floodnet, ph2, celebamask)


def busi(made: Archive) -> None:
    """Breast ultrasound: a folder for each diagnosis, masks beside the images, a second lesion in a file of its own."""
    for folder in ("benign", "malignant", "normal"):
        for k in range(1, 5):
            image = f"Dataset_BUSI_with_GT/{folder}/{folder} ({k}).png"
            made.photo(image)
            empty = np.zeros((HEIGHT, WIDTH), np.uint8) if folder == "normal" else None
            made.mask(image.replace(".png", "_mask.png"), image, empty)
            if folder == "benign" and k == 3:
                made.mask(image.replace(".png", "_mask_1.png"), image)


def cvppp(made: Archive) -> None:
    """Leaf counting: photograph, leaves, plant and centres beside each other."""
    for k in range(1, 6):
        image = f"A1/plant{k:03d}_rgb.png"
        made.photo(image)
        leaves = made.numbered()
        made.mask(f"A1/plant{k:03d}_label.png", image, leaves)
        made.beside(f"A1/plant{k:03d}_fg.png", (leaves > 0).astype(np.uint8))
        made.beside(f"A1/plant{k:03d}_centers.png", (made.rng.random(leaves.shape) < 0.001).astype(np.uint8) * 255)


def glas(made: Archive) -> None:
    """Glands of the colon: numbered glands beside the photographs, two test sets by prefix."""
    for part, n in (("train", 6), ("testA", 3), ("testB", 2)):
        for k in range(1, n + 1):
            image = f"Warwick QU Dataset (Released 2016_07_08)/{part}_{k}.bmp"
            made.photo(image)
            made.mask(image.replace(".bmp", "_anno.bmp"), image, made.numbered())
    made.text(
        "Warwick QU Dataset (Released 2016_07_08)/Grade.csv", "name,patient ID, grade (GlaS)\ntrain_1,1, benign\n"
    )


def xbd(made: Archive) -> None:
    """Damaged buildings from space, before and after: images, JSON labels, masks called targets."""
    for split in ("train", "test"):
        for k in range(3):
            for when in ("pre", "post"):
                stem = f"guatemala-volcano_{k:08d}_{when}_disaster"
                image = f"{split}/images/{stem}.png"
                made.photo(image)
                made.mask(f"{split}/targets/{stem}_target.png", image, made.classes(2))
                made.text(f"{split}/labels/{stem}.json", '{"features": {"lng_lat": [], "xy": []}, "metadata": {}}')


def levir_cd(made: Archive) -> None:
    """Change of buildings: two photographs for each mask."""
    for split in ("train", "val", "test"):
        for k in range(1, 4):
            images = [f"{split}/{date}/{split}_{k}.png" for date in "AB"]
            made.photo(*images)
            made.mask(f"{split}/label/{split}_{k}.png", images[0])


def montgomery(made: Archive) -> None:
    """Chest X-rays: a folder of masks for each lung."""
    for k in range(1, 6):
        name = f"MCUCXR_{k:04d}_{k % 2}.png"
        image = f"MontgomerySet/CXR_png/{name}"
        made.photo(image, grey=True)
        for side in ("left", "right"):
            made.mask(f"MontgomerySet/ManualMask/{side}Mask/{name}", image)
        made.text(f"MontgomerySet/ClinicalReadings/{name[:-4]}.txt", "Patient's Sex: F\nnormal\n")


def idrid(made: Archive) -> None:
    """Retinal lesions: numbered folders of numbered splits, a folder and an abbreviation for each lesion."""
    lesions = ("1. Microaneurysms", "MA"), ("2. Haemorrhages", "HE"), ("5. Optic Disc", "OD")
    for split, first in (("a. Training Set", 1), ("b. Testing Set", 55)):
        for k in range(first, first + 3):
            image = f"A. Segmentation/1. Original Images/{split}/IDRiD_{k:02d}.jpg"
            made.photo(image)
            for folder, short in lesions:
                if short != "HE" or k % 2:
                    mask = (
                        f"A. Segmentation/2. All Segmentation Groundtruths/{split}/{folder}/IDRiD_{k:02d}_{short}.tif"
                    )
                    made.mask(mask, image)


def uavid(made: Archive) -> None:
    """Video of drones: Images and Labels for each sequence."""
    for split, sequences in (("train", (1, 2)), ("val", (16,))):
        for sequence in sequences:
            for k in range(3):
                image = f"uavid_{split}/seq{sequence}/Images/{100 * k:06d}.png"
                made.photo(image)
                made.mask(image.replace("Images", "Labels"), image, PALETTE[made.classes()])


def rellis(made: Archive) -> None:
    """Off-road driving: photographs, ids and colours in folders beside each other, for each drive."""
    for drive in ("00000", "00001"):
        for k in range(4):
            stem = f"frame{k:06d}-1581624652_{750 + k}"
            image = f"Rellis-3D/{drive}/pylon_camera_node/{stem}.jpg"
            made.photo(image)
            values = made.classes()
            made.mask(f"Rellis-3D/{drive}/pylon_camera_node_label_id/{stem}.png", image, values)
            made.beside(f"Rellis-3D/{drive}/pylon_camera_node_label_color/{stem}.png", PALETTE[values])


def a2d2(made: Archive) -> None:
    """Audi's driving dataset: what a file holds stands in the middle of its name."""
    for drive in ("20180807_145028", "20180810_142822"):
        for k in range(3):
            folder, number = f"camera_lidar_semantic/{drive}", drive.replace("_", "")
            image = f"{folder}/camera/cam_front_center/{number}_camera_frontcenter_{k:09d}.png"
            made.photo(image)
            label = f"{folder}/label/cam_front_center/{number}_label_frontcenter_{k:09d}.png"
            made.mask(label, image, PALETTE[made.classes()])
    made.text("camera_lidar_semantic/class_list.json", '{"#000000": "Sky", "#804080": "Road", "#6b8e23": "Nature"}')


def phenobench(made: Archive) -> None:
    """Plants of a field: semantics, and instances of plants and leaves."""
    for split in ("train", "val"):
        for k in range(3):
            name = f"05-15_{k:05d}_P00{k + 30}.png"
            image = f"PhenoBench/{split}/images/{name}"
            made.photo(image)
            values = made.classes(2)
            made.mask(f"PhenoBench/{split}/semantics/{name}", image, values)
            for instances in ("plant_instances", "leaf_instances"):
                made.save(f"PhenoBench/{split}/{instances}/{name}", made.numbered().astype(np.uint16))


ANEW: tuple[Layout, ...] = (
    busi, cvppp, glas, xbd, levir_cd, montgomery, idrid, uavid, rellis, a2d2, phenobench,
)  # fmt: skip


def cwfid(made: Archive) -> None:
    """Crops and weeds: the kind of a file stands in its folder and at the end of its name."""
    for k in range(1, 6):
        image = f"images/{k:03d}_image.png"
        made.photo(image)
        values = made.classes(2)
        made.mask(f"annotations/{k:03d}_annotation.png", image, PALETTE[values])
        made.beside(f"masks/{k:03d}_mask.png", (values > 0).astype(np.uint8) * 255)


ANEW = (*ANEW, cwfid)


def isaid(made: Archive) -> None:
    """Aerial images with renderings of categories and of instances."""
    for split in ("train", "val"):
        for k in range(3):
            image = f"{split}/images/P{k + len(split):04d}.png"
            made.photo(image)
            stem = Path(image).stem
            made.mask(f"{split}/Semantic_masks/images/{stem}_instance_color_RGB.png", image, PALETTE[made.classes()])
            ids = made.numbered()
            made.save(f"{split}/Instance_masks/images/{stem}_instance_id_RGB.png", np.dstack([ids, 7 * ids, 3 * ids]))


def cod10k(made: Archive) -> None:
    """Camouflaged objects: three folders of masks for each split."""
    for split in ("Train", "Test"):
        for k in range(1, 5):
            name = f"COD10K-CAM-1-Aquatic-{k}-BatFish-{k + 1}"
            image = f"COD10K-v3/{split}/Image/{name}.jpg"
            made.photo(image)
            values = made.blobs().astype(np.uint8) * 255
            made.mask(f"COD10K-v3/{split}/GT_Object/{name}.png", image, values)
            made.beside(f"COD10K-v3/{split}/GT_Edge/{name}.png", values ^ np.roll(values, 1, 0))
            made.beside(f"COD10K-v3/{split}/GT_Instance/{name}.png", PALETTE[made.numbered() % 5])


def vspw(made: Archive) -> None:
    """Video scene parsing: origin and mask for each video, lists of splits beside them."""
    for video in ("1001_5z_ijQjUf_0", "1002_QXQ_QoswLOs", "127_-hIVCYO4C90"):
        for k in range(1, 4):
            image = f"VSPW/data/{video}/origin/{k:08d}.jpg"
            made.photo(image)
            made.mask(f"VSPW/data/{video}/mask/{k:08d}.png", image, made.classes(3, first=1))
    made.text("VSPW/train.txt", "1001_5z_ijQjUf_0\n1002_QXQ_QoswLOs\n")
    made.text("VSPW/val.txt", "127_-hIVCYO4C90\n")


def stare(made: Archive) -> None:
    """Retinal vessels by two observers, as PPM files whose observer stands before the extension."""
    for k in (1, 2, 3, 4, 5):
        image = f"stare-images/im{k:04d}.ppm"
        made.photo(image)
        vessels = made.blobs()
        made.mask(f"labels-ah/im{k:04d}.ah.ppm", image, np.dstack([vessels.astype(np.uint8) * 255] * 3))
        other = np.dstack([made.second_observer(vessels)] * 3)
        made.mask(f"labels-vk/im{k:04d}.vk.ppm", image, other, counts=False)


def endovis(made: Archive) -> None:
    """Instruments in endoscopy: a folder of grey values for each instrument, for each video."""
    for video in (1, 2):
        for k in range(4):
            image = f"instrument_dataset_{video}/left_frames/frame{k:03d}.png"
            made.photo(image)
            for tool in ("Left_Prograsp_Forceps_labels", "Maryland_Bipolar_Forceps_labels"):
                values = np.where(made.blobs(0.1), 10, 0).astype(np.uint8)
                made.mask(f"instrument_dataset_{video}/ground_truth/{tool}/frame{k:03d}.png", image, values)


def agriculture_vision(made: Archive) -> None:
    """Anomalies of fields: images of two bands, a folder for each label, boundaries and valid pixels beside them."""
    for split in ("train", "val"):
        for k in range(4):
            stem = f"1AD76MIZN_{k}-{k + 100}-512-612"
            image = f"Agriculture-Vision/{split}/images/rgb/{stem}.jpg"
            made.photo(image)
            made.photo(image.replace("/rgb/", "/nir/"), grey=True)
            for label in ("drydown", "double_plant", "weed_cluster"):
                made.mask(f"Agriculture-Vision/{split}/labels/{label}/{stem}.png", image)
            for kind in ("boundaries", "masks"):
                made.beside(f"Agriculture-Vision/{split}/{kind}/{stem}.png", made.blobs(0.9).astype(np.uint8) * 255)


def cloud38(made: Archive) -> None:
    """Clouds of Landsat 8: a folder and a prefix for each band and for the masks."""
    for k in range(1, 5):
        scene = f"patch_{k}_1_by_{k}_LC08_L1TP_002053_20160520_20170324_01_T1.TIF"
        image = f"38-Cloud_training/train_red/red_{scene}"
        for band in ("red", "green", "blue", "nir"):
            made.photo(f"38-Cloud_training/train_{band}/{band}_{scene}", grey=True)
        made.mask(f"38-Cloud_training/train_gt/gt_{scene}", image)


def rugd(made: Archive) -> None:
    """Unstructured roads: a folder for each scene in two folders whose names begin alike."""
    for scene in ("creek", "park-1"):
        for k in range(1, 4):
            image = f"RUGD_frames-with-annotations/{scene}/{scene}_{k:05d}.png"
            made.photo(image)
            made.mask(f"RUGD_annotations/{scene}/{scene}_{k:05d}.png", image, PALETTE[made.classes()])
    made.text("RUGD_annotations/RUGD_annotation-colormap.txt", "0 void 0 0 0\n1 dirt 128 64 128\n2 sand 107 142 35\n")


def freiburg_forest(made: Archive) -> None:
    """Forest paths: photographs, infrared and depth beside the colours of the labels."""
    for split, folder in (("train", "train"), ("test", "test")):
        for k in range(4):
            stem = f"b{len(split)}-{k:05d}"
            image = f"freiburg_forest_annotated/{folder}/rgb/{stem}_Clipped.jpg"
            made.photo(image)
            made.photo(f"freiburg_forest_annotated/{folder}/nir_gray/{stem}.tif", grey=True)
            made.photo(f"freiburg_forest_annotated/{folder}/depth_gray/{stem}_Clipped_redict_depth_gray.png", grey=True)
            made.mask(f"freiburg_forest_annotated/{folder}/GT_color/{stem}_mask.png", image, PALETTE[made.classes()])


def semantic_drone(made: Archive) -> None:
    """Semantic Drone Dataset of Graz: labels deep below gt/, with a table of colours."""
    for k in range(4):
        image = f"training_set/images/{k:03d}.jpg"
        made.photo(image)
        made.mask(f"training_set/gt/semantic/label_images/{k:03d}.png", image, PALETTE[made.classes()])
        made.text(f"training_set/gt/semantic/label_me_xml/{k:03d}.xml", "<annotation></annotation>")
    rows = "\n".join(f"c{k}, {r}, {g}, {b}" for k, (r, g, b) in enumerate(PALETTE.tolist()))
    made.text("training_set/gt/semantic/class_dict.csv", f"name, r, g, b\n{rows}\n")


def refuge(made: Archive) -> None:
    """Optic disc and cup: folders of diagnoses on both sides, the masks below folders that are called alike."""
    for diagnosis, letter in (("Glaucoma", "g"), ("Non-Glaucoma", "n")):
        for k in range(1, 4):
            image = f"Training400/{diagnosis}/{letter}{k:04d}.jpg"
            made.photo(image)
            values = np.array([255, 128, 0], np.uint8)[made.classes(2)]
            folder = "Annotation-Training400/Disc_Cup_Masks"
            made.mask(f"{folder}/{diagnosis}/{letter}{k:04d}.bmp", image, values)


HELD_OUT: tuple[Layout, ...] = (
    isaid, cod10k, vspw, stare, endovis, agriculture_vision, cloud38, rugd, freiburg_forest, semantic_drone, refuge,
)  # fmt: skip


def ecssd(made: Archive) -> None:
    """Salient objects: two folders with names of several words."""
    for k in range(1, 6):
        image = f"ECSSD/images/{k:04d}.jpg"
        made.photo(image)
        made.mask(f"ECSSD/ground_truth_mask/{k:04d}.png", image)


HELD_OUT = (*HELD_OUT, ecssd)


def kvasir_seg(made: Archive) -> None:
    """Polyps: masks that were saved as JPEG, under the names of the photographs."""
    boxes = {}
    for k in range(6):
        name = f"cju0qkwl35piu0993l0dewei{k}.jpg"
        made.photo(f"Kvasir-SEG/images/{name}")
        path = made.root / f"Kvasir-SEG/masks/{name}"
        made.save(f"Kvasir-SEG/masks/{name}", np.dstack([made.blobs().astype(np.uint8) * 255] * 3))
        with Image.open(path) as saved:
            made.areas[f"Kvasir-SEG/images/{name}"] = {int((np.array(saved)[:, :, 0] >= 128).sum())}
        boxes[path.stem] = {"height": HEIGHT, "width": WIDTH, "bbox": [{"label": "polyp", "xmin": 1, "ymin": 2}]}
    made.text("Kvasir-SEG/kavsir_bboxes.json", json.dumps(boxes))


def loveda(made: Archive) -> None:
    """Land cover: folders of scenes in each split, 0 is what has no data."""
    number = 0
    for split in ("Train", "Val"):
        for scene in ("Rural", "Urban"):
            for _ in range(3):
                image = f"{split}/{scene}/images_png/{number}.png"
                made.photo(image)
                made.mask(image.replace("images_png", "masks_png"), image, made.classes(5))
                number += 1


def deepglobe(made: Archive) -> None:
    """Land cover: photograph and colours beside each other, a table of colours, a split without masks."""
    for k in range(5):
        image = f"train/{100694 + 25 * k}_sat.jpg"
        made.photo(image)
        made.mask(image.replace("_sat.jpg", "_mask.png"), image, PALETTE[made.classes()])
    made.photo("valid/10452_sat.jpg", "valid/103215_sat.jpg")
    rows = "\n".join(f"c{k},{r},{g},{b}" for k, (r, g, b) in enumerate(PALETTE.tolist()))
    made.text("class_dict.csv", f"name,r,g,b\n{rows}\n")
    made.text("metadata.csv", "image_id,split,sat_image_path,mask_path\n100694,train,train/100694_sat.jpg,\n")


def _run_lengths(blobs: NDArray[np.bool_]) -> str:
    """Kaggle's run lengths: from 1, down the columns."""
    flat = np.concatenate([[0], blobs.T.ravel().astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(flat)) + 1
    return " ".join(f"{start} {end - start}" for start, end in zip(edges[::2], edges[1::2], strict=True))


def hubmap(made: Archive) -> None:
    """Tissue units: a table of run lengths with many other columns, outlines in JSON beside it."""
    rows = ["id,organ,data_source,img_height,img_width,pixel_size,tissue_thickness,rle,age,sex"]
    for k in range(5):
        image = f"train_images/{10044 + 230 * k}.tiff"
        made.photo(image)
        blobs = made.blobs()
        made.areas[image] = {int(blobs.sum())}
        rows.append(f"{Path(image).stem},prostate,HPA,{HEIGHT},{WIDTH},0.4,4,{_run_lengths(blobs)},37.0,Male")
        made.text(f"train_annotations/{Path(image).stem}.json", "[[[10, 10], [30, 10], [30, 30]]]")
    made.photo("test_images/10078.tiff")
    made.text("train.csv", "\n".join(rows) + "\n")
    made.text("test.csv", f"id,organ,data_source,img_height,img_width\n10078,spleen,Hubmap,{HEIGHT},{WIDTH}\n")
    made.text("sample_submission.csv", "id,rle\n10078,\n")


def monuseg(made: Archive) -> None:
    """Nuclei: outlines in the XML of Aperio ImageScope, in another folder than the images."""
    for k in range(4):
        stem = f"TCGA-18-5592-01Z-00-DX{k}"
        image = f"MoNuSeg 2018 Training Data/Tissue Images/{stem}.tif"
        made.photo(image)
        box = ((10, 10), (30, 10), (30, 40), (10, 40))
        made.areas[image] = {600}
        corners = "".join(f'<Vertex X="{x}.0" Y="{y}.0" Z="0"/>' for x, y in box)
        made.text(
            f"MoNuSeg 2018 Training Data/Annotations/{stem}.xml",
            f'<Annotations MicronsPerPixel="0.252"><Annotation Id="1"><Regions><Region Id="1"><Vertices>{corners}'
            "</Vertices></Region></Regions></Annotation></Annotations>",
        )


def pannuke(made: Archive) -> None:
    """Nuclei of many tissues: arrays of all images; they cannot be read, and have to be named."""
    for kind, array in (
        ("images/fold1/images", np.zeros((4, 32, 32, 3))), ("masks/fold1/masks", np.zeros((4, 32, 32, 6)))
    ):  # fmt: skip
        path = made.root / f"Fold 1/{kind}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)


def bdd100k(made: Archive) -> None:
    """Driving: ids, colours and polygons of the same images deep below labels/."""
    for split, n in (("train", 4), ("val", 3)):
        for k in range(n):
            stem = f"{k:04x}a5f0-{0x3E2F1A00 + 77 * k + n:08x}"
            image = f"bdd100k/images/10k/{split}/{stem}.jpg"
            made.photo(image)
            values = made.classes()
            made.mask(f"bdd100k/labels/sem_seg/masks/{split}/{stem}.png", image, values)
            made.beside(f"bdd100k/labels/sem_seg/colormaps/{split}/{stem}.png", PALETTE[values])
        polygons = [{"name": f"{stem}.jpg", "labels": [{"poly2d": [{"vertices": [[1, 1], [9, 1], [9, 9]]}]}]}]
        made.text(f"bdd100k/labels/sem_seg/polygons/sem_seg_{split}.json", json.dumps(polygons))


def ade20k_2016(made: Archive) -> None:
    """The release of 2016 of ADE20K: objects, parts and attributes beside each photograph."""
    for k in range(1, 5):
        stem = f"ADE20K_2016_07_26/images/training/a/abbey/ADE_train_{k:08d}"
        made.photo(f"{stem}.jpg")
        blobs = made.blobs()
        drawn = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        drawn[:] = (110, 158, 40)  # class 11 * 256 + 158, object of colour 40
        drawn[blobs] = (80, 200, 90)
        made.save(f"{stem}_seg.png", drawn)
        made.save(f"{stem}_parts_1.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        made.areas[f"{stem}.jpg"] = {int(blobs.sum()), int((~blobs).sum())}
        made.text(f"{stem}_atr.txt", '001 # 0 # 0 # sky # sky # ""\n002 # 0 # 0 # building, edifice # building # ""\n')


def vistas_both(made: Archive) -> None:
    """Mapillary Vistas as it is delivered: two versions of labels beside each other; one has to be chosen."""
    for split, n in (("training", 4), ("validation", 2)):
        for k in range(n):
            stem = f"{k:02x}Tm9vKQ{split[:2]}MRZ_dmBA"
            made.photo(f"{split}/images/{stem}.jpg")
            for version in ("v1.2", "v2.0"):
                values = made.classes()
                indices = Image.fromarray(values, mode="P")
                indices.putpalette(PALETTE.ravel().tolist())
                path = made.root / f"{split}/{version}/labels/{stem}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                indices.save(path)
                made.save(f"{split}/{version}/instances/{stem}.png", values.astype(np.uint16) * 256)
                made.areas[f"{split}/images/{stem}.jpg"] = set(np.unique(values, return_counts=True)[1].tolist())
                made.text(f"{split}/{version}/polygons/{stem}.json", '{"width": 128, "height": 96, "objects": []}')
    for version in ("v1.2", "v2.0"):
        labels = [
            {"color": color, "evaluate": True, "instances": k == 3, "name": f"object--c{k}", "readable": f"C{k}"}
            for k, color in enumerate(PALETTE.tolist())
        ]
        made.text(f"config_{version}.json", json.dumps({"version": version[1:], "labels": labels}))


def cityscapes_coarse(made: Archive) -> None:
    """Cityscapes with fine and coarse labels of the same images, and coarse ones of others."""
    for split, city, kinds in (
        ("train", "aachen", ("gtFine", "gtCoarse")),
        ("val", "bonn", ("gtFine", "gtCoarse")),
        ("train_extra", "erlangen", ("gtCoarse",)),
    ):
        for k in range(3):
            stem = f"{city}_{k:06d}_000019"
            image = f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png"
            made.photo(image)
            for kind in kinds:
                blobs = made.blobs()
                values = np.where(blobs, 23, 7).astype(np.uint8)
                made.save(f"{kind}/{split}/{city}/{stem}_{kind}_labelIds.png", values)
                made.save(f"{kind}/{split}/{city}/{stem}_{kind}_instanceIds.png", values.astype(np.uint16))
                if kind == kinds[0]:
                    made.areas[image] = {int(blobs.sum()), int((~blobs).sum())}


def livecell(made: Archive) -> None:
    """Cells: COCO files apart from the images, which are TIFF files in folders of other names."""
    for split, folder in (("train", "train_val"), ("val", "train_val"), ("test", "test")):
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for k in range(3):
            name = f"A172_Phase_{'ABC'[k]}7_1_00d0{len(split)}h00m_{k + 1}.tif"
            image = f"LIVECell_dataset_2021/images/livecell_{folder}_images/{name}"
            made.photo(image, grey=True)
            left, top = 10 + 3 * k, 20 + k
            images.append({"id": 100 * len(split) + k, "width": WIDTH, "height": HEIGHT, "file_name": name})
            ring = [left, top, left + 40, top, left + 40, top + 25, left, top + 25]
            annotations.append({
                "id": len(annotations) + 1, "image_id": 100 * len(split) + k, "category_id": 1, "iscrowd": 0,
                "segmentation": [ring], "bbox": [left, top, 40, 25], "area": 1000,
            })  # fmt: skip
            made.areas[image] = {1000}
        made.text(
            f"LIVECell_dataset_2021/annotations/LIVECell/livecell_coco_{split}.json",
            json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}),
        )


def pascal_context(made: Archive) -> None:
    """Pascal Context as training programs keep it: a folder of its own in VOC's, lists in a folder of their own."""
    names = [f"2008_{k:06d}" for k in range(2, 10)]
    for name in names:
        image = f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg"
        made.photo(image)
        made.mask(f"VOCdevkit/VOC2010/SegmentationClassContext/{name}.png", image, made.classes(5))
    for split, some in (("train", names[:5]), ("val", names[5:])):
        made.text(f"VOCdevkit/VOC2010/ImageSets/SegmentationContext/{split}.txt", "\n".join(some) + "\n")


FRESH: tuple[Layout, ...] = (
    kvasir_seg, loveda, deepglobe, hubmap, monuseg, pannuke, bdd100k, ade20k_2016, vistas_both, cityscapes_coarse,
    livecell, pascal_context,
)  # fmt: skip
# What has to be refused, and the words that its message must have; all others have to be read.
# Of Vistas a choice between versions was expected; it is read by the latest, and `segdata info` says so.
REFUSALS = {"pannuke": "NumPy arrays"}


def judge(made: Archive) -> str:
    """What `segdata` makes of a laid out dataset, in words that begin with read, refused or WRONG."""
    try:
        data = segdata.read(made.root)
        images, segments = data.images, data.segments
    except segdata.SegdataError as error:
        return f"refused: {error}"
    files = dict(zip(images["image_id"], images["uri"].fillna(""), strict=True))
    areas: dict[str, set[int]] = defaultdict(set)
    for image_id, area in zip(segments["image_id"], segments["area"], strict=True):
        areas[image_id].add(int(area))
    mistakes = []
    if not any(files.values()) and len(segments):
        return f"read as {data.profile.format} without images: {len(images)} masks"
    paths = {name: (made.root / name).resolve() for name in made.areas}
    by_path = {Path(uri).resolve(): image_id for image_id, uri in files.items() if uri}
    for name, path in paths.items():
        image_id = by_path.get(path)
        found = areas[image_id] if image_id is not None else set()
        if image_id is None:
            mistakes.append(f"{name} is no image")
        elif not made.areas[name] <= found <= made.areas[name] | made.grounds[name]:
            mistakes.append(f"{name} has other segments")
    extra = [image_id for image_id in files if areas[image_id] and files[image_id] not in map(str, paths.values())]
    mistakes += [f"{image_id} has segments" for image_id in extra]
    if mistakes:
        return f"WRONG as {data.profile.format}: {'; '.join(mistakes[:4])}"
    return f"read as {data.profile.format}: {len(images)} images, {len(segments)} segments"


def findings(made: Archive) -> str:
    """The codes of findings and how often they are reported."""
    codes = Counter(one.code for one in segdata.validate(made.root).findings)
    return ", ".join(f"{code} {count}" for code, count in sorted(codes.items())) or "no finding"


def main(folder: Path, names: list[str]) -> None:
    """Lay out and judge every layout."""
    for title, layouts in (("known", KNOWN), ("anew", ANEW), ("held out", HELD_OUT), ("fresh", FRESH)):
        print(f"\n## {title}")
        for layout in layouts:
            if names and title not in names and layout.__name__ not in names:
                continue
            made = Archive(folder / layout.__name__)
            layout(made)
            try:
                said = judge(made)
                said += f"; {findings(made)}" if said.startswith("read") else ""
                words = REFUSALS.get(layout.__name__)
                said += " AS EXPECTED" if words and said.startswith("refused") and words in said else ""
            except Exception:  # a bug of ours: shown, and the others go on
                said = "FAILED " + traceback.format_exc()
            print(f"- {layout.__name__}: {said}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
